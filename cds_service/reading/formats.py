"""From an attachment to the text that a person would see: plain text, HTML, RTF and PDF.

Hidden and struck-out text, comments, style sheets and metadata are not text. What cannot be turned into text raises
`Unreadable`, so that it becomes a named gap and never a silence.
"""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from email.message import Message
from io import BytesIO
from typing import cast

from lxml import etree, html


class Unreadable(Exception):
    """An attachment that cannot be turned into text; the message says why in words that hold no patient data."""


LARGEST = 3_000_000
"""Characters of one attachment that are read."""


def text_of(data: bytes, media_type: str) -> str:
    """The text of a document.

    `media_type` may carry a charset, and may be empty. Raises `Unreadable` for an unknown type, or a document that
    holds no text.
    """
    kind, charset = _media_type(media_type)
    kind = _sniffed(data, kind)
    if kind == "application/pdf":
        return _pdf(data)
    return plain_text(_decoded(data, charset, kind), kind)


def decoded(content: str) -> bytes:
    """The bytes of an attachment as FHIR carries it. Raises `Unreadable` for broken base64."""
    try:
        return base64.b64decode("".join(content.split()), validate=True)
    except (binascii.Error, ValueError):
        raise Unreadable("is not valid base64") from None


def plain_text(content: str, kind: str) -> str:
    """The text of a document that is already characters. Raises `Unreadable` for an unknown type."""
    return unicodedata.normalize("NFC", _plain_text(content[:LARGEST], kind))


def _plain_text(content: str, kind: str) -> str:
    if kind in ("text/html", "application/xhtml+xml", "text/xml", "application/xml"):
        return _html(content)
    if kind in ("text/rtf", "application/rtf", "application/x-rtf", "text/richtext"):
        return _rtf(content)
    if kind in ("", "text/plain", "text/markdown", "text/x-hl7-ft", "text/hl7v2+er7"):
        stripped = content.lstrip()
        if stripped.startswith("{\\rtf"):
            return _rtf(content)
        if re.match(r"<(?:!doctype|html|div|p|body|table|pre|span)\b", stripped, re.IGNORECASE):
            return _html(content)
        return _hl7(content)
    raise Unreadable(f"is of a type that is not read ({_safe(kind)})")


def _safe(kind: str) -> str:
    return re.sub(r"[^a-z0-9.+/-]", "", kind.lower())[:60] or "none"


def _media_type(declared: str) -> tuple[str, str]:
    message = Message()
    message["content-type"] = declared or "application/octet-stream"
    kind = message.get_content_type() if "/" in declared else declared.strip().lower()
    return ("" if not declared else kind), str(message.get_param("charset") or "")


def _sniffed(data: bytes, kind: str) -> str:
    """The type by the first bytes where none is declared or a general one."""
    if data[:5] == b"%PDF-":
        return "application/pdf"
    if kind in ("", "application/octet-stream", "binary/octet-stream"):
        return "text/rtf" if data.lstrip()[:5] == b"{\\rtf" else ("" if _is_text(data) else kind)
    return kind


def _is_text(data: bytes) -> bool:
    return b"\x00" not in data[:2000]


_CHARSETS = {"iso-8859-1": "cp1252", "latin1": "cp1252", "latin-1": "cp1252", "us-ascii": "cp1252", "ascii": "cp1252"}


def _decoded(data: bytes, charset: str, kind: str) -> str:
    """Bytes as characters: in the declared charset, else UTF-8 or UTF-16 by what fits, else Windows-1252."""
    if kind.endswith("rtf"):
        return data.decode("latin-1")
    for bom, name in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if data.startswith(bom):
            charset = name
    declared = _CHARSETS.get(charset.lower().strip("\"' "), charset.lower().strip("\"' "))
    for name in filter(None, (declared, "utf-8", "cp1252")):
        try:
            return data.decode(name)
        except (LookupError, UnicodeDecodeError):
            continue
    return data.decode("latin-1")


# --------------------------------------------------------------------------------------
# Plain text with HL7 v2 escapes

_HL7 = re.compile(r"\\(\.br|\.sp\d*|\.fi|\.nf|\.in[+-]?\d*|\.ti[+-]?\d*|\.sk\d*|\.ce|[ETSRFHN]|P|X[0-9A-Fa-f]+|Z\w*)\\")
_HL7_MARKS = {"E": "\\", "T": "&", "S": "^", "R": "~", "F": "|", "P": "#"}


def _hl7(content: str) -> str:
    """Text with what HL7 v2 left in it resolved: escapes (chapter 2.7), and whole segments where it is a message."""
    content = content.replace("\r\n", "\n").replace("\r", "\n")
    if _OBX.search(content):
        content = "\n".join(_segment(line) for line in content.split("\n"))
    elif "~" in content and "\n" not in content:
        content = _REPETITION.sub("\n", content)
    return _HL7.sub(_unescaped, content) if "\\" in content else content


_OBX = re.compile(r"(?m)^OBX\|")
_SEGMENT = re.compile(r"[A-Z][A-Z0-9]{2}\|")
_REPETITION = re.compile(r"~(?!\s?\d)")


def _segment(line: str) -> str:
    """What a segment of a message says: an observation behind its name, a note, a line of text; others say nothing of
    a report and may name the patient."""
    fields = line.split("|")
    if fields[0] == "OBX" and len(fields) > 5:
        name = fields[3].split("^")
        label = name[1] if len(name) > 1 and name[1] else name[0]
        is_coded = fields[2] in ("CE", "CWE", "CF", "CNE")
        value = " ".join(fields[5].split("^")[:2]) if is_coded else fields[5].replace("~", "\n")
        return f"{label}: {value}" if label else value
    if fields[0] == "NTE" and len(fields) > 3:
        return fields[3]
    return "" if _SEGMENT.match(line) else line


def _unescaped(match: re.Match[str]) -> str:
    code = match[1]
    if code in _HL7_MARKS:
        return _HL7_MARKS[code]
    if code.startswith((".br", ".sp", ".ce", ".fi", ".nf")):
        return "\n"
    if code.startswith(".sk"):
        return " "
    if code[0] == "X":
        try:
            return bytes.fromhex(code[1:]).decode("cp1252", "replace").replace("\r", "\n")
        except ValueError:
            return " "
    return ""


# --------------------------------------------------------------------------------------
# HTML

_BLOCKS = frozenset(
    {
        "address", "article", "aside", "blockquote", "br", "center", "dd", "div", "dl", "dt", "fieldset", "figure",
        "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav", "ol", "p", "pre",
        "section", "table", "tbody", "tfoot", "thead", "tr", "ul", "caption",
    }
)  # fmt: skip
_CELLS = frozenset({"td", "th"})
_UNSEEN = frozenset(
    {
        "script", "style", "head", "template", "noscript", "title", "meta", "link", "object", "iframe", "svg", "math",
        "select", "del", "s", "strike",
    }
)  # fmt: skip
_HIDING = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|line-through|font-size\s*:\s*0|opacity\s*:\s*0(?![.\d])"
)


def _html(content: str) -> str:
    """The text that a browser would show."""
    try:
        root = html.document_fromstring(
            content, parser=html.HTMLParser(remove_comments=True, remove_pis=True, encoding=None)
        )
    except (etree.ParserError, ValueError):
        bare = re.sub(r"^\s*<\?xml[^>]*\?>", "", content)
        try:
            root = html.document_fromstring(bare)
        except (etree.ParserError, ValueError):
            return ""
    pieces = list(_seen(root, _hidden_by_style(root), is_pre=False))
    lines = re.sub(r"[ \xa0]*\n[ \xa0]*", "\n", "".join(pieces)).split("\n")
    return re.sub(r"\n{3,}", "\n\n", "\n".join(line.strip(" \t") for line in lines)).strip()


_MOST_RULES = 200
"""Rules of style sheets that are followed: enough for a report, too few to make reading one expensive."""
_SHOWING = re.compile(r"display\s*:|visibility\s*:")


def _hidden_by_style(root: html.HtmlElement) -> set[html.HtmlElement]:
    """The elements that a style sheet of the document hides or strikes out on a screen. What another rule shows again
    is text, whichever of the two rules is the stronger one."""
    sheets = [each.text for each in root.iter("style") if each.text and each.get("media", "all") in _ON_SCREEN]
    if not any(_HIDING.search(sheet.lower()) for sheet in sheets):
        return set()
    import tinycss2  # few reports have such a style sheet
    from cssselect import SelectorError
    from lxml.cssselect import CSSSelector

    hidden: set[html.HtmlElement] = set()
    shown: set[html.HtmlElement] = set()
    rules = [rule for sheet in sheets for rule in tinycss2.parse_stylesheet(sheet) if rule.type == "qualified-rule"]
    if len(rules) > _MOST_RULES:
        raise Unreadable("has a style sheet that is too large")
    for rule in rules:
        said = tinycss2.serialize(rule.content).lower()
        found = hidden if _HIDING.search(said) else shown if _SHOWING.search(said) else None
        if found is not None:
            with suppress(SelectorError):
                selector = CSSSelector(tinycss2.serialize(rule.prelude).strip(), translator="html")
                found.update(each for each in cast(list[html.HtmlElement], selector(root)))
    return {each for each in hidden - shown if not _SHOWING.search((each.get("style") or "").lower())}


_ON_SCREEN = ("", "all", "screen")


def _seen(root: html.HtmlElement, hidden: set[html.HtmlElement], *, is_pre: bool) -> Iterator[str]:
    """The visible text below an element, without recursion, so that no depth of nesting can exhaust the stack."""
    stack: list[tuple[html.HtmlElement, bool, bool]] = [(root, False, is_pre)]
    while stack:
        element, is_left, pre = stack.pop()
        tag = element.tag if isinstance(element.tag, str) else ""
        if is_left:
            if tag in _BLOCKS and tag != "br":
                yield "\n"
            elif tag in _CELLS:
                yield "\t"
            yield _spaced(element.tail, pre and tag != "pre")
            continue
        if not tag or element in hidden or _is_hidden(element, tag):
            yield _spaced(element.tail, pre)
            continue
        if tag in _BLOCKS:
            yield "\n"
        if tag == "input" and element.get("type", "").lower() in ("checkbox", "radio"):
            yield "[x]" if element.get("checked") is not None else "[ ]"
        inner = pre or tag == "pre"
        yield _spaced(element.text, inner)
        stack.append((element, True, pre if tag != "pre" else True))
        stack.extend((child, False, inner) for child in reversed(element))


def _spaced(text: str | None, pre: bool) -> str:
    if not text:
        return ""
    return text if pre else re.sub(r"[ \t\r\n\f]+", " ", text)


def _is_hidden(element: html.HtmlElement, tag: str) -> bool:
    if tag in _UNSEEN or element.get("hidden") is not None or element.get("aria-hidden") == "true":
        return True
    style = element.get("style")
    if style and _HIDING.search(style.lower()):
        return True
    return tag == "input" and element.get("type", "").lower() == "hidden"


# --------------------------------------------------------------------------------------
# RTF (Rich Text Format specification 1.9.1). No library that is kept up to date drops hidden, deleted and struck-out
# text.

_RTF = re.compile(r"\\([a-z]{1,32})(-?\d{1,10})? ?|\\'([0-9a-fA-F]{2})|\\([^a-z])|([{}])|[\r\n]+|([^\\{}\r\n]+)")
_DESTINATIONS = frozenset(
    {
        "fonttbl", "colortbl", "stylesheet", "info", "pict", "object", "header", "headerl", "headerr", "headerf",
        "footer", "footerl", "footerr", "footerf", "ftnsep", "annotation", "comment", "generator", "listtable",
        "listoverridetable", "rsidtbl", "themedata", "colorschememapping", "latentstyles", "datastore", "xmlnstbl",
        "filetbl", "revtbl", "fldinst", "bkmkstart", "bkmkend", "pntext", "pnseclvl", "template", "operator", "author",
        "title", "subject", "keywords", "doccomm", "category", "manager", "company", "private", "xe", "tc", "listtext",
        "footnote",
    }
)  # fmt: skip
_RTF_WORDS = {
    "par": "\n", "line": "\n", "sect": "\n", "page": "\n", "row": "\n", "cell": "\t", "nestcell": "\t", "nestrow": "\n",
    "tab": "\t", "emdash": "—", "endash": "–", "lquote": "‘", "rquote": "’", "ldblquote": "“", "rdblquote": "”",
    "bullet": "•", "emspace": " ", "enspace": " ", "qmspace": " ", "softline": "\n",
}  # fmt: skip
_RTF_MARKS = {"~": "\xa0", "_": "‑", "-": "", "\\": "\\", "{": "{", "}": "}", "\n": "\n", "\r": "\n"}
_CODEPAGES = {0: "cp1252", 10000: "mac_roman"}


class _Group:
    """What holds inside one pair of braces."""

    __slots__ = ("is_hidden", "is_skipped", "uc")

    def __init__(self, is_skipped: bool, is_hidden: bool, uc: int) -> None:
        self.is_skipped, self.is_hidden, self.uc = is_skipped, is_hidden, uc


def _rtf(content: str) -> str:
    """The text that a word processor would show and print."""
    out: list[str] = []
    groups = [_Group(False, False, 1)]
    codepage = "cp1252"
    pending: bytearray = bytearray()
    to_skip = 0
    is_start = False
    for match in _RTF.finditer(content):
        group = groups[-1]
        if pending and match[3] is None:
            out.append(pending.decode(codepage, "replace"))
            pending.clear()
        word, number, code, mark, brace, plain = match.groups()
        if brace == "{":
            if len(groups) < 5000:
                groups.append(_Group(group.is_skipped, group.is_hidden, group.uc))
            is_start = True
            continue
        if brace == "}":
            if len(groups) > 1:
                groups.pop()
            is_start, to_skip = False, 0
            continue
        is_visible = not (group.is_skipped or group.is_hidden)
        if mark == "*" and is_start:
            group.is_skipped = True
            continue
        if word is not None:
            if is_start and word in _DESTINATIONS:
                group.is_skipped = True
            is_start = False
            if word in ("v", "strike", "striked", "deleted"):
                group.is_hidden = number != "0"
            elif word == "plain":
                group.is_hidden = False
            elif word == "ansicpg":
                codepage = _codepage(int(number or 0))
            elif word == "mac":
                codepage = "mac_roman"
            elif word == "uc":
                group.uc = int(number or 1)
            elif word == "bin":
                pass
            elif word == "u" and is_visible:
                point = int(number or 0)
                out.append(chr(point + 65536 if point < 0 else point) if -65536 < point < 0x110000 else "?")
                to_skip = group.uc
            elif is_visible and word in _RTF_WORDS:
                out.append(_RTF_WORDS[word])
            continue
        is_start = False
        if code is not None:
            if to_skip:
                to_skip -= 1
            elif is_visible:
                pending.append(int(code, 16))
        elif mark is not None:
            if to_skip:
                to_skip -= 1
            elif is_visible:
                out.append(_RTF_MARKS.get(mark, ""))
        elif plain is not None:
            skipped = min(to_skip, len(plain))
            to_skip -= skipped
            if is_visible:
                out.append(plain[skipped:])
    if pending:
        out.append(pending.decode(codepage, "replace"))
    return "".join(out).encode("utf-16", "surrogatepass").decode("utf-16", "replace").strip()


def _codepage(number: int) -> str:
    name = _CODEPAGES.get(number, f"cp{number}")
    try:
        b"".decode(name)
    except LookupError:
        return "cp1252"
    return name


# --------------------------------------------------------------------------------------
# PDF


def _pdf(data: bytes) -> str:
    """The text of a PDF. A scan has none; that is said and not passed over."""
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    try:
        pages = [page.extract_text() for page in PdfReader(BytesIO(data)).pages[:50]]
    except (
        PyPdfError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        IndexError,
        RecursionError,
        OSError,
    ) as problem:
        raise Unreadable("is a PDF that cannot be opened") from problem
    text = "\n".join(pages).strip()
    if len(text) < 20:
        raise Unreadable("is a PDF without text, such as a scan")
    return text
