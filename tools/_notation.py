"""Arithmetic as people write it, turned into the syntax of one Python expression.

Only text is rewritten here: percent signs, thousands commas, implied multiplication. Nothing is computed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from memento.tools.exact.names import CONSTANTS, FUNCTIONS
from memento.tools.exact.steps import Refused

MAX_LENGTH = 4_000
MAX_NESTING = 50

_CHARACTERS = str.maketrans({
    "×": "*", "⋅": "*", "·": "*", "∙": "*", "∗": "*", "÷": "/", "∕": "/", "−": "-", "–": "-", "—": "-",
    "²": "^2", "³": "^3", "√": " sqrt ", "π": " pi ", "∞": " oo ", "≤": "<=", "≥": ">=", "≠": "!=",
    "（": "(", "）": ")", "\u00a0": " ", "\u2009": " ", "\u202f": " ", "\n": " ", "\r": " ", "\t": " ",
    "$": " ", "€": " ", "£": " ",
})  # fmt: skip
_WORDS = {"plus": "+", "minus": "-", "times": "*", "mod": "%%", "of": "*", "off": "off"}  # %%: never percent
_NUMBER = re.compile(r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?![0-9.])")
_THOUSANDS = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?(?![0-9.,])")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATOR = re.compile(r"\*\*|//|==|!=|<=|>=|[-+*/^%!=<>(),\[\]°]")
_HEXADECIMAL = re.compile(r"\b0[xXbBoO][0-9A-Fa-f]")
_LETTER_X_AS_TIMES = re.compile(r"(?<=[0-9])\s*x\s*(?=[0-9])")
_NOT_A_FUNCTION = re.compile(r"[a-eh-zA-Z]")  # x(x+1) is a product; f(x), g(x) are calls of something unknown


@dataclass
class _Token:
    kind: str  # number | name | function | op
    text: str


def to_python(expression: str) -> str:
    """The expression in Python's syntax, on one line of ASCII; raises Refused."""
    if len(expression) > MAX_LENGTH:
        raise Refused(f"the expression is too long (over {MAX_LENGTH} characters): compute it in parts")
    text = expression.translate(_CHARACTERS).strip()
    text = re.sub(r"\bdivided\s+by\b", "/", text, flags=re.IGNORECASE)
    if _HEXADECIMAL.search(text):
        raise Refused("write numbers in decimal, not with a prefix such as 0x")
    text = _LETTER_X_AS_TIMES.sub("*", text)
    text = re.sub(r"\s*=\s*\??\s*$", "", text).rstrip("?; ")
    if not text:
        raise Refused("the expression is empty: give something like 12.5*(3+4)")
    return " ".join(token.text for token in _rewrite(_tokens(text)))


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    brackets: list[_Bracket] = []
    position = 0
    while position < len(text):
        if text[position] == " ":
            position += 1
            continue
        in_call = bool(brackets) and brackets[-1].separates
        found = (None if in_call else _THOUSANDS.match(text, position)) or _NUMBER.match(text, position)
        if found:
            # A zero in front would be an octal number, and is refused, in Python.
            tokens.append(_Token("number", re.sub(r"^0+(?=[0-9])", "", found.group().replace(",", ""))))
        elif found := _NAME.match(text, position):
            tokens.append(_name(found.group(), text[found.end() :], tokens))
        elif found := _OPERATOR.match(text, position):
            tokens.append(_Token("op", found.group()))
            _follow_brackets(text, position, tokens, brackets)
        else:
            raise Refused(f"unexpected {text[position : position + 20]!r}: give only the expression")
        position = found.end()
    return tokens


@dataclass
class _Bracket:
    separates: bool  # in a call or a list a comma separates; elsewhere it groups thousands
    tight: bool = False
    spaced: bool = False


def _follow_brackets(text: str, position: int, tokens: list[_Token], brackets: list[_Bracket]) -> None:
    character = tokens[-1].text
    if character in ("(", "["):
        called = len(tokens) > 1 and tokens[-2].kind == "function"
        # A bracket without a name in a call, (x, 0, 1), is a range, and its commas separate too.
        inside = bool(brackets) and brackets[-1].separates
        brackets.append(_Bracket(separates=called or inside or character == "["))
        if len(brackets) > MAX_NESTING:
            raise Refused(f"brackets are nested more than {MAX_NESTING} deep: compute it in parts")
    elif character in (")", "]") and brackets:
        brackets.pop()
    elif character == "," and brackets:
        frame = brackets[-1]
        if re.match(r",[0-9]{3}(?![0-9])", text[position:]) and text[position - 1].isdigit():
            frame.tight = True
        elif text[position + 1 : position + 2] == " ":
            frame.spaced = True
        if frame.tight and frame.spaced:
            raise Refused("inside a function a comma separates: write numbers without thousands commas")


def _name(text: str, rest: str, before: list[_Token]) -> _Token:
    word = text.lower()
    if word in _WORDS and not (
        word in FUNCTIONS and rest.lstrip().startswith("(") and not _is_operand_end(before)
    ):
        return _Token("op", _WORDS[word])
    if text in CONSTANTS or len(text) == 1:
        return _Token("name", text)
    if word in FUNCTIONS:
        return _Token("function", word)
    return _Token("name", word if word in CONSTANTS else text)


def _rewrite(tokens: list[_Token]) -> list[_Token]:
    out: list[_Token] = []
    for index, token in enumerate(tokens):
        following = tokens[index + 1] if index + 1 < len(tokens) else _Token("op", "")
        if token.kind != "op" or token.text in ("(", "["):
            if _is_operand_end(out) and not (token.kind == "number" and out[-1].kind == "number"):
                out.append(_Token("op", _implied(out[-1], token)))
            out.append(token)
            _wrap_root(out)
        elif token.text in ("%", "!", "°"):
            _postfix(token.text, following, out)
        elif token.text == "off":
            start = _operand_start(out)
            if out[start].text != "percent":
                raise Refused("write a discount as 20% off 50")
            out[start:] = [*_ops("( 1 -"), *out[start:], *_ops(") *")]
        else:
            out.append(_Token("op", {"^": "**", "=": "==", "%%": "%"}.get(token.text, token.text)))
    return out


def _ops(text: str) -> list[_Token]:
    return [_Token("op", part) for part in text.split()]


def _is_operand_end(out: list[_Token]) -> bool:
    return bool(out) and (out[-1].kind in ("number", "name") or out[-1].text in (")", "]"))


def _implied(left: _Token, right: _Token) -> str:
    if (
        left.kind == "name"
        and right.text == "("
        and not (left.text in CONSTANTS or _NOT_A_FUNCTION.fullmatch(left.text))
    ):
        raise Refused(f"unknown function {left.text}; there are {', '.join(FUNCTIONS)}")
    return "*"


def _wrap_root(out: list[_Token]) -> None:
    """√16 has no brackets around what it is the root of."""
    if len(out) > 1 and out[-1].kind in ("number", "name") and out[-2].text == "sqrt":
        out[-1:] = [_Token("op", "("), out[-1], _Token("op", ")")]


def _postfix(sign: str, following: _Token, out: list[_Token]) -> None:
    starts_operand = following.kind != "op" or following.text == "("
    if not _is_operand_end(out):
        raise Refused(f"{sign} must follow a number or a bracket")
    if sign == "%" and starts_operand:
        out.append(_Token("op", "%"))  # 17 % 5 is a remainder
        return
    start = _operand_start(out)
    name = {"%": "percent", "!": "factorial", "°": "degrees"}[sign]
    out[start:] = [_Token("function", name), _Token("op", "("), *out[start:], _Token("op", ")")]


def _operand_start(out: list[_Token]) -> int:
    """Where the operand that ends here begins: a number, a name, or a bracket with its function."""
    if not _is_operand_end(out):
        raise Refused("something is missing before a word or sign: give only the expression")
    start = len(out) - 1
    if out[start].text in (")", "]"):
        depth = 0
        for start in range(len(out) - 1, -1, -1):
            depth += (out[start].text in (")", "]")) - (out[start].text in ("(", "["))
            if depth == 0:
                break
        if start and out[start - 1].kind == "function":
            start -= 1
    return start
