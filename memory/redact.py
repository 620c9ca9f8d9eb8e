"""Keeping credentials out of everything that is stored."""

import re
from typing import Any

MARK = "[redacted]"

_TOKENS = re.compile(
    r"""
    \b(?:sk|pk|rk)-[A-Za-z0-9_\-]{16,}            # OpenAI, Anthropic, Stripe
  | \btvly-[A-Za-z0-9_\-]{12,}                    # Tavily
  | \bgh[pousr]_[A-Za-z0-9]{20,}                  # GitHub
  | \bgithub_pat_[A-Za-z0-9_]{20,}
  | \bglpat-[A-Za-z0-9_\-]{16,}                   # GitLab
  | \bxox[abprs]-[A-Za-z0-9\-]{10,}               # Slack
  | \bhf_[A-Za-z0-9]{20,}                         # Hugging Face
  | \blsv2_[A-Za-z0-9_]{20,}                      # LangSmith
  | \b(?:AKIA|ASIA)[A-Z0-9]{16}\b                 # AWS key id
  | \bAIza[A-Za-z0-9_\-]{30,}                     # Google
  | \beyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}   # JWT
  | -----BEGIN[ ][A-Z ]*PRIVATE[ ]KEY-----.*?(?:-----END[ ][A-Z ]*PRIVATE[ ]KEY-----|\Z)
    """,
    re.VERBOSE | re.DOTALL,
)
_NAMED = re.compile(
    r"""(?ix)
    \b((?:[\w-]*(?:api[_-]?key|secret|token|passw(?:or)?d|access[_-]?key))
       ["']?\s*[:=]\s*["']?)                       # a name that announces a credential, and : or =
    ([^\s"',;&}]{6,})                              # its value
    """
)
_BEARER = re.compile(r"(?i)\b(bearer\s+)[A-Za-z0-9._\-+/=]{12,}")
_URL_LOGIN = re.compile(r"(?i)\b([a-z][a-z0-9+.\-]*://[^\s:/@]+:)[^\s@/]+@")
_SECRET_NAME = re.compile(r"(?i)(?:api[_-]?key|secret|password|passwd|access[_-]?token|auth[_-]?token)$")


def redact_text(text: str) -> str:
    """The text with whatever looks like a credential replaced by ``[redacted]``."""
    text = _TOKENS.sub(MARK, text)
    text = _BEARER.sub(rf"\g<1>{MARK}", text)
    text = _URL_LOGIN.sub(rf"\g<1>{MARK}@", text)
    return _NAMED.sub(rf"\g<1>{MARK}", text)


def redact(value: Any) -> Any:
    """`redact_text` on every string of a JSON-like value; a value under a telling key goes whole."""
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, dict):
        return {
            redact_text(str(key)): MARK
            if isinstance(item, str) and item and _SECRET_NAME.search(str(key))
            else redact(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [redact(item) for item in value]
    return value
