# The test's role: runs trusted text only. The candidate's names are proxies here, its values are exact
# builtin types that the host has checked, or `Remote` objects, which are equal to nothing but themselves.
import re as _re

_callbacks = []
_remotes = {}
_last_call = None
_uses = 0  # calls, and values that were read
_exchange = None
_BUILTINS = frozenset(dir(builtins))
_OF_TESTS = _BUILTINS | {'check', 'candidate', 'METADATA'}
_FUNCTION_UNDER_TEST = _re.compile(r'\s*assert\s+\(*\s*(\w+)\s*\(')


class RemoteError(Exception):
    """An exception of the candidate whose class is not a builtin one."""


class RemoteExit(BaseException):
    """The candidate raised SystemExit, KeyboardInterrupt or the like."""


def _t_foreign_out(o):
    if type(o) is Remote:
        return (..., 'r', object.__getattribute__(o, '_handle'))
    name = getattr(o, '__name__', None)
    if type(name) is str and getattr(builtins, name, None) is o:
        return (..., 'b', name)
    if callable(o):
        _callbacks.append(o)
        return (..., 'c', len(_callbacks) - 1)
    if hasattr(o, '__next__'):
        items = []
        for item in o:
            items.append(item)
            if len(items) > 100000:
                break
        return (..., 'i', lower(items, _t_foreign_out))
    raise TypeError(f'a {type(o).__name__} of the test cannot be handed to the candidate')


def _t_foreign_in(marker):
    if len(marker) == 4 and marker[1] == 'h' and type(marker[2]) is int and type(marker[3]) is str:
        return _remote(marker[2], marker[3])
    if len(marker) == 3 and marker[1] == 'b' and type(marker[2]) is str and hasattr(builtins, marker[2]):
        return getattr(builtins, marker[2])
    raise ProtocolError('unknown marker')


def _remote(handle, kind):
    found = _remotes.get(handle)
    if found is None:
        found = _remotes[handle] = Remote(handle, kind)
    return found


def _raise_remote(message):
    names, args, text, frames, line = _loads(memoryview(message)[1:])
    kind = RemoteExit if 'Exception' not in names else RemoteError
    if kind is RemoteError:
        for name in names:
            found = getattr(builtins, name, None)
            if isinstance(found, type) and issubclass(found, Exception):
                kind = found
                break
    try:
        error = kind(*args)
    except Exception:
        error = RemoteError(text)
    error.remote = (str(names[0]), str(text), str(frames), line)
    raise error


def _copy_back(old, new):
    """In-place changes of the candidate's copy, repeated on the test's object."""
    if type(old) is not type(new):
        return
    if type(old) is list:
        if len(old) == len(new):
            for i, (a, b) in enumerate(zip(old, new)):
                if type(a) in (list, dict, set) and type(a) is type(b):
                    _copy_back(a, b)
                else:
                    old[i] = b
        else:
            old[:] = new
    elif type(old) is dict:
        for key in list(old):
            if key not in new:
                del old[key]
        for key, b in new.items():
            a = old.get(key)
            if type(a) in (list, dict, set) and type(a) is type(b):
                _copy_back(a, b)
            else:
                old[key] = b
    elif type(old) is set:
        old.clear()
        old.update(new)
    elif type(old) is bytearray:
        old[:] = new
    elif type(old) is collections.deque:
        old.clear()
        old.extend(new)
    elif type(old) is tuple:
        for a, b in zip(old, new):
            _copy_back(a, b)


def _run_callback(message):
    n, args, kwargs = unpack(message, 1, _t_foreign_in)
    try:
        value = _callbacks[n](*args, **kwargs)
        return pack(b'R', value, _t_foreign_out)
    except Exception as error:
        return b'X' + _dumps((type(error).__name__, str(error)), 2)


def request(op, target, args=(), kwargs=None):
    global _uses
    head = b'Q'
    if op == 'call':
        head = b'K'
        _uses += 1
    message = _exchange(pack(head, (op, target, args, kwargs or {}), _t_foreign_out))
    while True:
        kind = message[0]
        if kind == 86:
            return unpack(message, 1, _t_foreign_in)
        if kind == 77:
            value, changed = unpack(message, 1, _t_foreign_in)
            _copy_back(tuple(args), changed)
            return value
        if kind == 67:
            message = _exchange(_run_callback(message))
            continue
        if kind == 69:
            _raise_remote(message)
        raise ProtocolError('unknown reply')


def _call(target, args, kwargs):
    global _last_call
    _last_call = (target, args, None, False)
    value = request('call', target, args, kwargs)
    _last_call = (target, args, value, True)
    return value


class Entry:
    """A function of the candidate, by name."""
    __slots__ = ('__name__',)

    def __init__(self, name):
        self.__name__ = name

    def __call__(self, *args, **kwargs):
        return _call(self.__name__, args, kwargs)


class Remote:
    """An object that stays on the candidate's side. Comparison is identity; order and arithmetic are errors."""
    __slots__ = ('_handle', '_kind')

    def __init__(self, handle, kind):
        object.__setattr__(self, '_handle', handle)
        object.__setattr__(self, '_kind', kind)

    def __call__(self, *args, **kwargs):
        return _call(self._handle, args, kwargs)

    def __getattr__(self, name):
        return request('attr', self._handle, (name,))

    def __setattr__(self, name, value):
        request('setattr', self._handle, (name, value))

    def __delattr__(self, name):
        request('delattr', self._handle, (name,))

    def __getitem__(self, index):
        return request('item', self._handle, (index,))

    def __setitem__(self, index, value):
        request('setitem', self._handle, (index, value))

    def __delitem__(self, index):
        request('delitem', self._handle, (index,))

    def __len__(self):
        return request('len', self._handle)

    def __iter__(self):
        iterator = request('iter', self._handle)
        if type(iterator) is not Remote:
            raise TypeError('iter() returned no iterator')
        return iterator

    def __next__(self):
        return request('next', self._handle)

    def __contains__(self, wanted):
        return any(item is wanted or item == wanted for item in iter(self))

    def __bool__(self):
        return request('bool', self._handle) is True

    def __str__(self):
        text = request('str', self._handle)
        if type(text) is not str:
            raise TypeError('str() returned no string')
        return text

    def __repr__(self):
        return f'<{self._kind} object of the candidate>'

    def __instancecheck__(self, instance):
        return request('isinstance', self._handle, (instance,)) is True

    def __enter__(self):
        return request('enter', self._handle)

    def __exit__(self, *error):
        request('exit', self._handle)
        return False


class Names(dict):
    """The globals of an assert-style test: trusted names first, then the candidate's."""

    def __missing__(self, name):
        if hasattr(builtins, name) and name != self.under_test:
            raise KeyError(name)
        if name in sys.stdlib_module_names and _re.search(rf'\b{name}\s*\.', self.text):
            module = self[name] = __import__(name)
            return module
        error = None
        try:
            plain, value = request('get', name)
        except KeyError as missing:
            error = missing
        if error is not None:
            if hasattr(builtins, name):
                raise KeyError(name)
            missing = NameError(f"name '{name}' is not defined")
            missing.absent = name
            raise missing
        if plain is True:
            value = Entry(name)
        else:
            global _uses
            _uses += 1
        self[name] = value
        return value


def _names_in(code, into):
    into.update(code.co_names)
    for constant in code.co_consts:
        if hasattr(constant, 'co_names'):
            _names_in(constant, into)
    return into


def _compile_test(text, name):
    try:
        return compile(text, name, 'exec', dont_inherit=True)
    except SyntaxError as error:
        error.test_broken = True
        raise


def _run_prompt(prompt, entry_point, names):
    """The trusted helpers and imports of the prompt, run here and not taken from the candidate."""
    cut = prompt.rfind('\ndef ' + entry_point)
    for text in (prompt, prompt.rstrip() + '\n    pass\n', prompt[:cut + 1] if cut >= 0 else ''):
        try:
            code = compile(text, '<prompt>', 'exec', dont_inherit=True)
        except SyntaxError:
            continue
        exec(code, names)
        return


def _humaneval(prompt, test, entry_point):
    names = {'__name__': '__test__', '__builtins__': builtins}
    code = _compile_test(test, '<test>')
    if not _names_in(code, set()) <= _OF_TESTS:
        _run_prompt(prompt, entry_point, names)
    entry = names[entry_point] = Entry(entry_point)
    exec(code, names)
    names['check'](entry)


def _asserts(setup, tests):
    names = Names(__name__='__test__', __builtins__=builtins)
    names.text = setup + '\n' + '\n'.join(tests)
    codes = [_compile_test(text, f'<test {n}>') for n, text in enumerate(tests, 1)]
    mentioned = set()
    for code in codes:
        _names_in(code, mentioned)
    names.under_test = None
    # A test that names builtins only can only be about a candidate that redefines one, `sum` for instance.
    if mentioned <= _BUILTINS:
        found = _FUNCTION_UNDER_TEST.match(tests[0])
        if found:
            names.under_test = found.group(1)
            names.setdefault(names.under_test, Entry(names.under_test))
    if setup.strip():
        exec(_compile_test(setup, '<setup>'), names)
    for code in codes:
        exec(code, names)


def _short(o):
    try:
        text = repr(o)
    except BaseException as error:
        text = f'<{type(o).__name__} without a repr: {type(error).__name__}>'
    return text if len(text) <= 300 else text[:300] + '...'


def _where(error, sources):
    """The line of the test that failed."""
    tb, found = error.__traceback__, ''
    while tb is not None:
        name = tb.tb_frame.f_code.co_filename
        if name in sources:
            lines = sources[name].splitlines()
            if 0 < tb.tb_lineno <= len(lines):
                found = lines[tb.tb_lineno - 1].strip()[:500]
        tb = tb.tb_next
    return found


def _report(error, sources):
    """(kind, text, line in the candidate's text or 0) of a check that did not pass."""
    where = _where(error, sources)
    at = f'\nin the test: {where}' if where else ''
    remote = getattr(error, 'remote', None)
    if remote is not None:
        name, text, frames, line = remote
        kind = 'exit' if name in ('SystemExit', 'KeyboardInterrupt', 'GeneratorExit') else 'exception'
        return kind, f'{name}: {text}\n{frames}{at}', line if type(line) is int else 0
    if getattr(error, 'absent', None) is not None:
        return 'absent', str(error), 0
    if isinstance(error, ProtocolError):
        return 'protocol', str(error), 0
    last = ''
    if _last_call is not None and _last_call[3]:
        last = f'\nlast call: {_name(_last_call[0])}({", ".join([_short(a) for a in _last_call[1]])[:600]}) returned {_short(_last_call[2])}'
    if isinstance(error, AssertionError):
        kind = 'wrong'
        text = 'a test failed'
        if error.args:
            text += ': ' + _short(error.args[0])
    else:
        kind = 'wrong' if _uses and not getattr(error, 'test_broken', False) and not isinstance(error, (SystemExit, NameError, ImportError)) else 'broken'
        text = f'the test raised {type(error).__name__}: {_short(str(error))}'
    return kind, text + at + last, 0


def _name(target):
    return target if type(target) is str else 'an object'


def run_check(job, exchange):
    """(passed, report)"""
    global _exchange
    _exchange = exchange
    form = job[0]
    try:
        if form == 'humaneval':
            sources = {'<test>': job[2], '<prompt>': job[1]}
            _humaneval(job[1], job[2], job[3])
        else:
            sources = None
            _asserts(job[1], job[2])
    except BaseException as error:
        if sources is None:
            sources = {f'<test {n}>': text for n, text in enumerate(job[2], 1)}
            sources['<setup>'] = job[1]
        return False, _report(error, sources)
    return True, ('pass', '', 0)


def _exchange_with_host(message):
    send(message)
    return receive()


def tester_main():
    job = _loads(receive())
    passed, report = run_check(job, _exchange_with_host)
    text = report[1].encode('utf-8', 'backslashreplace').decode()[:4000]
    send(b'Z' + _dumps((report[0], text, report[2]), 2))
    return True if passed else False
