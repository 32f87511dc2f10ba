"""From attachment to text: what a person would see on the page, or a named reason why it cannot be read."""

from __future__ import annotations

import base64
import zlib

import pytest

from cds_service.reading.formats import Unreadable, decoded, plain_text, text_of


def pdf(content: str) -> bytes:
    """A PDF of one page with these drawing operators."""
    stream = zlib.compress(content.encode())
    parts = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    data, offsets = b"%PDF-1.4\n", []
    for number, part in enumerate(parts, 1):
        offsets.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, part)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return data + b"xref\n0 6\n0000000000 65535 f \n%strailer\n<< /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % (
        table,
        len(data),
    )


def words(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize(
    ("charset", "encoding"),
    [("utf-8", "utf-8"), ("iso-8859-1", "latin-1"), ("windows-1252", "cp1252"), ("utf-16", "utf-16")],
)
def test_plain_text_is_read_in_the_charset_that_is_declared(charset: str, encoding: str) -> None:
    text = "Linke Brust: gruppierter Mikrokalk, größer als 2024. BI-RADS 4b."
    assert words(text_of(text.encode(encoding), f"text/plain; charset={charset}")) == text


def test_hidden_and_struck_out_html_is_not_text() -> None:
    page = """<html><head><title>BI-RADS 5</title><style>p {content: "BI-RADS 5"}</style></head><body>
    <!-- BI-RADS 5 --><script>var category = "BI-RADS 5"</script><p>Left breast:</p>
    <p style="display: none">BI-RADS 5</p><del>BI-RADS 5</del><s>BI-RADS 5</s>
    <span style="text-decoration: line-through">BI-RADS 5</span><p hidden>BI-RADS 5</p><p>BI-RADS&nbsp;2</p>
    </body></html>"""
    assert words(text_of(page.encode(), "text/html")) == "Left breast: BI-RADS 2"


def test_html_tables_keep_their_rows_and_cells() -> None:
    page = "<table><tr><th>Breast</th><th>BI-RADS</th></tr><tr><td>Right</td><td>2</td></tr></table>"
    lines = [line for line in plain_text(page, "text/html").splitlines() if line.strip()]
    assert [line.split("\t") for line in lines] == [["Breast", "BI-RADS"], ["Right", "2"]]


def test_what_a_style_sheet_hides_is_not_text_unless_another_rule_shows_it() -> None:
    read = text_of(
        b"""<html><head><style>.tpl, #old {display: none} .void {text-decoration: line-through} .fold {display:none}
        .fold.open {display: block} .inline {display: none} @media print {.report {display: none}} p::bad( {}
        </style></head><body><p class="tpl">BI-RADS 5</p><div id="old"><p>BI-RADS 4</p></div>
        <p class="void">BI-RADS 0</p>
        <p class="report">Findings.</p><p class="fold open">Left.</p>
        <p class="inline" style="display:block">BI-RADS 2</p>
        </body></html>""",
        "text/html",
    )
    assert read.split() == ["Findings.", "Left.", "BI-RADS", "2"]


def test_a_style_sheet_that_is_too_large_makes_a_report_unreadable_and_not_silent() -> None:
    sheet = "".join(f".c{number} {{display:none}}" for number in range(300))
    with pytest.raises(Unreadable, match="style sheet"):
        text_of(f"<style>{sheet}</style><p>BI-RADS 5</p>".encode(), "text/html")


def test_rtf_metadata_hidden_and_struck_out_words_are_not_text() -> None:
    rtf = (
        r"{\rtf1\ansi{\info{\title BI-RADS 5}}{\fonttbl{\f0 BI-RADS;}}{\*\generator BI-RADS 5;}"
        r"Left breast:\par {\v BI-RADS 5}{\strike BI-RADS 5}{\deleted BI-RADS 5} BI-RADS 4{\b B}, gr\'f6\'dfer\par }"
    )
    assert words(text_of(rtf.encode("ascii"), "text/rtf")) == "Left breast: BI-RADS 4B, größer"


def test_hl7_escapes_are_line_ends_and_marks() -> None:
    assert plain_text(r"IMPRESSION:\.br\Left breast \T\ axilla\.br\BI-RADS 4A", "text/plain").splitlines() == [
        "IMPRESSION:",
        "Left breast & axilla",
        "BI-RADS 4A",
    ]


def test_a_pdf_with_text_is_read() -> None:
    page = pdf("BT /F1 12 Tf 72 720 Td (Left breast: BI-RADS 4C.) Tj 0 -20 Td (Biopsy recommended.) Tj ET")
    assert words(text_of(page, "application/pdf")) == "Left breast: BI-RADS 4C. Biopsy recommended."


@pytest.mark.parametrize(
    ("data", "kind", "problem"),
    [
        (pdf("0 0 100 100 re f"), "application/pdf", "without text, such as a scan"),
        (b"%PDF-1.4 nonsense", "application/pdf", "cannot be opened"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "image/png", "type that is not read (image/png)"),
        (b"PK\x03\x04\x00\x00", "application/vnd.openxmlformats", "type that is not read"),
    ],
)
def test_what_cannot_be_read_says_why(data: bytes, kind: str, problem: str) -> None:
    with pytest.raises(Unreadable, match=problem.replace("(", r"\(").replace(")", r"\)")):
        text_of(data, kind)


def test_broken_base64_is_named() -> None:
    with pytest.raises(Unreadable, match="not valid base64"):
        decoded("QkktUkFEUyA0*")
    assert decoded(base64.b64encode(b"BI-RADS 4").decode()) == b"BI-RADS 4"


def test_the_content_decides_where_no_type_is_declared() -> None:
    assert words(text_of(rb"{\rtf1\ansi BI-RADS 3}", "")) == "BI-RADS 3"
    assert words(text_of(b"<html><body><p>BI-RADS 3</p></body></html>", "")) == "BI-RADS 3"
    assert words(text_of(b"BI-RADS 3", "")) == "BI-RADS 3"


def test_a_type_in_an_error_is_never_more_than_a_type() -> None:
    with pytest.raises(Unreadable) as problem:
        text_of(b"\x00\x01\x02", "Anna Muster <script>")
    assert "Anna" not in str(problem.value)
