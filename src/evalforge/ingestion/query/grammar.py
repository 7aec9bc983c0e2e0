"""luqum, imported so that it writes nothing.

On Python 3.13 and later luqum's parser tables do not match their shipped form (docstrings lose their indentation), and
PLY would write new ones, and a `parser.out`, beside the installed package or complain on stderr that it cannot. Making
them in memory takes milliseconds.
"""

from functools import partial

import ply.yacc

_yacc = ply.yacc.yacc
ply.yacc.yacc = partial(_yacc, write_tables=False, debug=False, errorlog=ply.yacc.NullLogger())
try:
    from luqum import tree
    from luqum.exceptions import ParseError
    from luqum.thread import parse as parse_boolean
finally:
    ply.yacc.yacc = _yacc

__all__ = ["ParseError", "parse_boolean", "tree"]
