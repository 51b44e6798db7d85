"""The words that CEL keeps to itself."""

from __future__ import annotations

_RESERVED = """
as break const continue else false for function if import in let loop namespace null package
return true var void while
"""
_TYPES = """
bool bytes double dyn int list map null_type optional_type string type uint
"""
_FUNCTIONS = """
bool bytes double duration dyn has int matches size string timestamp type uint
"""
_METHODS = """
all contains endsWith exists exists_one filter getDate getDayOfMonth getDayOfWeek getDayOfYear
getFullYear getHours getMilliseconds getMinutes getMonth getSeconds hasValue map none of
ofNonZeroValue optFlatMap optMap or orValue startsWith value
"""

RESERVED = frozenset(_RESERVED.split())
TYPE_NAMES = frozenset(_TYPES.split())
NAMESPACES = frozenset(("cel", "google", "optional"))
CEL_FUNCTIONS = frozenset(_FUNCTIONS.split())
CEL_METHODS = frozenset(_METHODS.split())

TAKEN = RESERVED | TYPE_NAMES | NAMESPACES | CEL_FUNCTIONS
"""What neither a name nor a function of ours can be called."""
