"""How easy a text is to read, by the formulas that health services use.

English: Flesch-Kincaid grade (Kincaid 1975). Spanish: Crawford's years of schooling (Crawford 1984), and the
Fernández Huerta ease of reading (1959), in which 70 to 80 is what a child of sixth grade reads.
"""

from __future__ import annotations

import re

_ENGLISH_SILENT = re.compile(r"(?:[^laeiouy]es|[^td]ed|[^l]e)$")
_STRONG, _WEAK = "aeoáéíóú", "iuü"


def sentences_of(markdown: str) -> list[str]:
    """The sentences of a page. Headings are left out: they are short, and would make any page look plain."""
    plain = re.sub(r"[*`]+|^- |^#.*$", " ", markdown, flags=re.MULTILINE)
    found = (" ".join(each.split()) for each in re.split(r"[.:!?]+(?:\s|$)", plain))
    return [each for each in found if words_of(each)]


def words_of(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]+(?:['’-][^\W\d_]+)*", text.lower())


def english_syllables(word: str) -> int:
    """Groups of vowels without a silent ending; never fewer than one."""
    stem = _ENGLISH_SILENT.sub("", word) if len(word) > 3 else word
    groups = re.findall(r"[aeiouy]+", stem)
    return max(1, len(groups) + len(re.findall(r"(?:io|ia|iu|eo)(?!u|n\b|ns\b)", stem)))


def spanish_syllables(word: str) -> int:
    """Vowels, without the weak ones that make one syllable with a neighbour."""
    bare = re.sub(r"qu(?=[eiéí])|gu(?=[eiéí])", "k", re.sub(r"y$", "i", word))
    count = 0
    for place, letter in enumerate(bare):
        before = bare[place - 1] if place else ""
        if letter in _STRONG:
            count += not (before and before in _WEAK)
        elif letter in _WEAK:
            count += not (before and before in _STRONG + _WEAK)
    return max(1, count)


def flesch_kincaid_grade(markdown: str) -> float:
    """The school grade of the United States that reads an English text with ease."""
    sentences = sentences_of(markdown)
    words = [word for sentence in sentences for word in words_of(sentence)]
    syllables = sum(map(english_syllables, words))
    return 0.39 * len(words) / len(sentences) + 11.8 * syllables / len(words) - 15.59


def crawford_years(markdown: str) -> float:
    """The years of schooling that a Spanish text asks for."""
    sentences = sentences_of(markdown)
    words = [word for sentence in sentences for word in words_of(sentence)]
    per_hundred = 100 / len(words)
    syllables = sum(map(spanish_syllables, words)) * per_hundred
    return -0.205 * len(sentences) * per_hundred + 0.049 * syllables - 3.407


def fernandez_huerta(markdown: str) -> float:
    """The ease of reading of a Spanish text, from 0 to 100."""
    sentences = sentences_of(markdown)
    words = [word for sentence in sentences for word in words_of(sentence)]
    syllables = sum(map(spanish_syllables, words))
    return 206.84 - 60 * syllables / len(words) - 1.02 * len(words) / len(sentences)
