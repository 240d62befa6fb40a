# The candidate's role: runs code that nobody trusts and answers requests about its names.
# Whatever the candidate does to this interpreter, the worst that leaves it is a wrong value.
import types, atexit

_handles = []
_handle_of = {}
_NO_MUTABLE = _SCALARS


def _c_foreign_out(o):
    n = _handle_of.get(id(o))
    if n is None:
        n = _handle_of[id(o)] = len(_handles)
        _handles.append(o)
    return (..., 'h', n, str(type(o).__name__))


class _Callback:
    """A function of the test program."""
    __slots__ = ('_n',)

    def __init__(self, n):
        self._n = n

    def __call__(self, *args, **kwargs):
        send(pack(b'C', (self._n, args, kwargs), _c_foreign_out))
        reply = _c_serve_until_answer()
        if reply[:1] == b'R':
            return unpack(reply, 1, _c_foreign_in)
        name, text = _loads(memoryview(reply)[1:])
        kind = getattr(builtins, name, None)
        if not (isinstance(kind, type) and issubclass(kind, BaseException)):
            kind = Exception
        raise kind(text)


def _c_foreign_in(marker):
    tag = marker[1]
    if tag == 'r':
        return _handles[marker[2]]
    if tag == 'b':
        return getattr(builtins, marker[2])
    if tag == 'c':
        return _Callback(marker[2])
    if tag == 'i':
        return iter(lift(marker[2], _c_foreign_in))
    raise ProtocolError('unknown marker')


def _c_serve_until_answer():
    """While a callback runs, the test may ask again."""
    while True:
        message = receive()
        if message[:1] in (b'R', b'X'):
            return message
        send(_c_dispatch(message))


_OPS = {
    'call': lambda o, *a, **k: o(*a, **k),
    'get': lambda o: (True, None) if type(o) is _Function else (False, o),
    'attr': lambda o, n: getattr(o, n),
    'setattr': lambda o, n, v: setattr(o, n, v),
    'delattr': lambda o, n: delattr(o, n),
    'item': lambda o, i: o[i],
    'setitem': lambda o, i, v: o.__setitem__(i, v),
    'delitem': lambda o, i: o.__delitem__(i),
    'len': lambda o: len(o),
    'iter': lambda o: iter(o),
    'next': lambda o: next(o),
    'str': lambda o: str(o),
    'repr': lambda o: repr(o),
    'bool': lambda o: bool(o),
    'isinstance': lambda o, x: isinstance(x, o),
    'enter': lambda o: o.__enter__(),
    'exit': lambda o: o.__exit__(None, None, None),
}


def _text_of(o):
    try:
        return str(o)[:2000]
    except BaseException:
        return '<no text>'


def _describe(error):
    """(frames as text, innermost line in the candidate's text or 0)"""
    lines, innermost, tb = [], 0, error.__traceback__
    source = _source.splitlines() if type(_source) is str else ()
    while tb is not None and len(lines) < 40:
        code = tb.tb_frame.f_code
        if code.co_filename == '<candidate>':
            innermost = tb.tb_lineno
            text = ''
            if 0 < innermost <= len(source):
                text = '\n    ' + source[innermost - 1].strip()[:200]
            lines.append(f'  line {innermost}, in {code.co_name}{text}')
        tb = tb.tb_next
    if len(lines) > 12:
        lines[6:-6] = ['  ...']
    if isinstance(error, SyntaxError) and isinstance(error.lineno, int):
        innermost = error.lineno
    return '\n'.join(lines)[:3000], innermost


_source = ''


def _failure(error):
    names = tuple([str(t.__name__) for t in type(error).__mro__][:16])
    args = []
    for a in error.args[:4] if isinstance(error.args, tuple) else ():
        args.append(a if type(a) in _SCALARS and len(repr(a)) < 1000 else _text_of(a))
    frames, line = _describe(error)
    return b'E' + _dumps((names, tuple(args), _text_of(error), frames, line), 2)


def _c_dispatch(message):
    try:
        op, target, args, kwargs = unpack(message, 1, _c_foreign_in)
        target = _handles[target] if type(target) is int else _namespace[target]
        mutable = False
        for a in args:
            if type(a) not in _NO_MUTABLE:
                mutable = True
        if not mutable:
            return pack(b'V', _OPS[op](target, *args, **kwargs), _c_foreign_out)
        before = pack(b'', args, _c_foreign_out)
        value = _OPS[op](target, *args, **kwargs)
        if pack(b'', args, _c_foreign_out) == before:
            return pack(b'V', value, _c_foreign_out)
        return pack(b'M', (value, args), _c_foreign_out)
    except BaseException as error:
        return _failure(error)


_namespace = {}


def _c_define(source):
    """Runs the candidate's text as a fresh __main__."""
    global _source, _namespace
    _source = source
    main = types.ModuleType('__main__')
    main.__builtins__ = builtins
    sys.modules['__main__'] = main
    _namespace = main.__dict__
    code = compile(source, '<candidate>', 'exec', dont_inherit=True)
    exec(code, _namespace)


def candidate_main():
    try:
        source, entry_point = _loads(receive())
        _c_define(source)
        ready = b'D1' if not entry_point or callable(_namespace.get(entry_point)) else b'D0'
    except BaseException as error:
        send(_failure(error))
        return False
    send(ready)
    while True:
        send(_c_dispatch(receive()))


def program_main():
    """A whole program over standard input and output."""
    try:
        try:
            _c_define(_loads(receive()))
        finally:
            atexit._run_exitfuncs()
            sys.stdout.flush()
        return True
    except SystemExit as error:
        if error.code is None or error.code == 0:
            return True
        send(_failure(error))
        return False
    except BaseException as error:
        send(_failure(error))
        return False
