"""Keeping credentials out of everything that is stored."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

MARK = "[redacted]"
TOO_DEEP = "[nested too deeply]"
_DEPTH = 64
_PASSES = 5

_TOKENS = re.compile(
    r"""
    \b(?:sk|pk|rk)-[A-Za-z0-9_\-]{16,}            # OpenAI, Anthropic
  | \b(?:sk|pk|rk)_(?:live|test)_[A-Za-z0-9]{10,} # Stripe
  | \bgsk_[A-Za-z0-9]{20,}                        # Groq
  | \btvly-[A-Za-z0-9_\-]{12,}                    # Tavily
  | \bgh[pousr]_[A-Za-z0-9]{20,}                  # GitHub
  | \bgithub_pat_[A-Za-z0-9_]{20,}
  | \bglpat-[A-Za-z0-9_\-]{16,}                   # GitLab
  | \bxox[abeprs]-[A-Za-z0-9\-]{10,}              # Slack
  | \bhf_[A-Za-z0-9]{20,}                         # Hugging Face
  | \blsv2_[A-Za-z0-9_]{20,}                      # LangSmith
  | \bnpm_[A-Za-z0-9]{30,}
  | \bpypi-[A-Za-z0-9_\-]{32,}
  | \bSG\.[A-Za-z0-9_\-]{16,}\.[A-Za-z0-9_\-]{16,} # SendGrid
  | \b(?:AKIA|ASIA)[A-Z0-9]{16}\b                 # AWS key id
  | \bAIza[A-Za-z0-9_\-]{30,}                     # Google
  | \bya29\.[A-Za-z0-9_\-]{20,}
  | \beyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}   # JWT
  | -----BEGIN[ ][A-Z ]{0,40}PRIVATE[ ]KEY-----.*?(?:-----END[ ][A-Z ]{0,40}PRIVATE[ ]KEY-----|\Z)
    """,
    re.VERBOSE | re.DOTALL,
)
_VALUE = r"""(?:"[^"\n]{6,}"|'[^'\n]{6,}'|\\?["']?(?P<bare>(?:[^\s"',;&}\\]|\\(?!["'])){6,}))"""
# A name that announces a credential, and : or =.
_NAMED = re.compile(
    rf"""(?ix)
    ((?:api[_-]?key|(?:access|private|account)[_-]?key|client[_-]?secret|passw(?:or)?d|passphrase|pwd)
       \\?["']?\s{{0,9}}[:=]\s{{0,9}}){_VALUE}
    """
)
# These are ordinary words too: what follows has to look like a credential.
_PERHAPS_NAMED = re.compile(
    rf"""(?ix)
    ((?:secret|token)\\?["']?\s{{0,9}}[:=]\s{{0,9}})(?=[^\s,;&}}]{{0,80}}\d|[^\s,;&}}]{{20,}}){_VALUE}
    """
)
_BEARER = re.compile(
    r"(?i)\b(bearer\s+)(?=[A-Za-z0-9._\-+/=]{0,80}\d|[A-Za-z0-9._\-+/=]{24})[A-Za-z0-9._\-+/=]{12,}"
)
_AUTHORIZATION = re.compile(
    r"""(?i)\b(authorization\\?["']?\s{0,9}[:=]\s{0,9}\\?["']?(?:basic|bearer|digest|token|apikey)\s+)[^\s"',\\]{6,}"""
)
_URL_LOGIN = re.compile(r"(?i)\b([a-z][a-z0-9+.\-]{0,30}://[^\s:/@]*:)[^\s/?#]+@")
_SECRET_NAME = re.compile(
    r"(?i)(?:(?:api|access|private)[_-]?key|secret|password|passwd|passphrase|pwd|(?:access|auth)[_-]?token|authorization)$"
)

_SECRET_VARIABLE = re.compile(r"(?i)(?:key|token|secret|passw(?:or)?d|passphrase|pwd|credentials?)$")
_TELLING = 8  # a shorter value is as likely a word


def secret_values(environment: Mapping[str, str]) -> list[str]:
    """The values of the variables whose names say that they are credentials, the longest first."""
    named = {value.strip() for name, value in environment.items() if _SECRET_VARIABLE.search(name)}
    return sorted((value for value in named if len(value) >= _TELLING), key=len, reverse=True)


def redactor(secrets: Sequence[str]) -> Callable[[str], str]:
    """`redact_text` that takes out these values as well."""

    def redact_all(text: str) -> str:
        for secret in secrets:
            text = text.replace(secret, MARK)
        return redact_text(text)

    return redact_all


def redact_text(text: str) -> str:
    """The text with whatever looks like a credential replaced by ``[redacted]``, as valid Unicode."""
    text = _storable(text)
    # A replacement can bring to light what it was hidden behind.
    for _ in range(_PASSES):
        cleaner = _redact_once(text)
        if cleaner == text:
            break
        text = cleaner
    return text


def redact(value: Any, depth: int = _DEPTH) -> Any:
    """`redact_text` on every string of a JSON-like value; a value under a telling key goes whole, and what
    is nested deeper than `depth` is cut off.
    """
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, dict | list | tuple) and depth == 0:
        return TOO_DEEP
    if isinstance(value, dict):
        return {
            redact_text(str(key)): MARK if _is_secret(str(key), item) else redact(item, depth - 1)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [redact(item, depth - 1) for item in value]
    return value


def _is_secret(key: str, item: Any) -> bool:
    is_value = isinstance(item, str | int | float) and not isinstance(item, bool) and item != ""
    return is_value and _SECRET_NAME.search(key) is not None


def _redact_once(text: str) -> str:
    text = _TOKENS.sub(MARK, text)
    text = _AUTHORIZATION.sub(rf"\g<1>{MARK}", text)
    text = _BEARER.sub(rf"\g<1>{MARK}", text)
    text = _URL_LOGIN.sub(rf"\g<1>{MARK}@", text)
    return _PERHAPS_NAMED.sub(_without_value, _NAMED.sub(_without_value, text))


def _without_value(match: re.Match[str]) -> str:
    """The match with its value marked, and the quotes around that left."""
    before, after = match.group(), ""
    if match["bare"] is not None:
        before = before.removesuffix(match["bare"])
    else:
        quote = before[-1]
        before, after = match.group(1) + quote, quote
    return f"{before}{MARK}{after}"


def _storable(text: str) -> str:
    """Halves of surrogate pairs, as in JSON that was cut off, can be stored nowhere: whole pairs are joined,
    and single halves become the replacement character.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
