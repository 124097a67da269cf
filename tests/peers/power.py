"""What a loss of power leaves of a directory, by the calls that a process made.

strace records a server's writes, syncs, renames, removals and the rest, with their times. `Record.leave(cut, ...)` makes
the directory as a disk may hold it when the power goes at that time:

- a file's bytes are there up to the last sync that had ended, and began after they were written; of what was written
  later nothing, a part that ends at some sector, or all may be there;
- a name is there, or gone, for certain once its directory was synced; later changes of a directory may have happened up to
  some point.

Nothing of this needs a switch in the server.
"""
import os
import re
import shutil

SECTOR = 512
CALLS = ("openat,open,creat,close,dup,dup2,dup3,fcntl,write,pwrite64,writev,pwritev,fsync,fdatasync,rename,renameat,"
         "renameat2,unlink,unlinkat,ftruncate,truncate,mkdir,mkdirat,fallocate,copy_file_range,sendfile,sync_file_range")
LINE = re.compile(rb"^(\d+) +([\d.]+) (.*)$")
CALL = re.compile(rb"^(\w+)\((.*)\) += (-?\d+|\?)(?: .*)?<([\d.]+)>$|^(\w+)\((.*)\) += (-?\d+|\?).*$")
TEXT = re.compile(rb'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')


def command(trace, *words, more=""):
    """The words that run a program and write its calls into the file `trace`."""
    return ["strace", "-f", "-ttt", "-T", "-xx", "-s", "100000000", "--signal=none", "-o", trace, "-e", f"trace={CALLS}{more}", *words]


def unhex(text):
    return bytes.fromhex(text.replace(b"\\x", b"").decode())


class Op:
    """One call, from `start` to `end`."""

    def __init__(self, start, end, name, arguments, result):
        self.start, self.end, self.name, self.arguments, self.result = start, end, name, arguments, result

    def texts(self):
        found = TEXT.findall(self.arguments)
        assert not any(cut for _, cut in found), self.arguments[-100:]
        return [unhex(text) for text, _ in found]

    def number(self, index=0):
        return int(TEXT.sub(b"", self.arguments).split(b",")[index])


def parse(trace):
    """All calls that succeeded, in the order of their starts."""
    begun, ops = {}, []
    with open(trace, "rb") as file:
        for line in file:
            found = LINE.match(line.rstrip(b"\n"))
            if not found:
                continue
            pid, at, rest = found[1], float(found[2]), found[3]
            if rest.endswith(b"<unfinished ...>"):
                begun[pid] = at, rest[:-len(b"<unfinished ...>")].rstrip()
                continue
            start = at
            if rest.startswith(b"<... "):
                if pid not in begun:
                    continue
                start, head = begun.pop(pid)
                rest = head + rest.split(b" resumed>", 1)[1]
            call = CALL.match(rest)
            if not call:
                continue
            name, arguments, result, took = (call[1], call[2], call[3], float(call[4])) if call[1] else (call[5], call[6], call[7], 0)
            if result == b"?" or int(result) < 0:
                continue
            end = at if start != at else start + took
            ops.append(Op(start, end, name.decode(), arguments, int(result)))
        # What had begun and never ended: it may have happened, no one was told.
        for at, rest in begun.values():
            name, _, arguments = rest.partition(b"(")
            if name in (b"write", b"rename", b"unlink"):
                ops.append(Op(at, float("inf"), name.decode(), arguments, -1))
    return sorted(ops, key=lambda op: op.start)


class File:
    """An inode: changes of its bytes, and its syncs."""

    def __init__(self):
        self.changes, self.syncs, self.size = [], [], 0

    def write(self, op, at, data):
        self.changes.append((op.start, op.end, at, data))
        self.size = max(self.size, at + len(data))

    def cut(self, op, size):
        if size == self.size:
            return
        self.changes.append((op.start, op.end, size, None))
        self.size = size

    def content(self, cut, chance):
        """What is there after a loss of power at `cut`."""
        begun = [change for change in self.changes if change[0] < cut]
        synced = max((start for start, end in self.syncs if end <= cut), default=-1)
        sure = 0
        while sure < len(begun) and begun[sure][1] <= synced:
            sure += 1
        durable, all_ = apply(begun[:sure]), apply(begun)
        draw = chance.random()
        if draw < 0.35 or len(begun) == sure:
            return durable
        if draw < 0.5:
            return all_
        if not all_.startswith(durable):
            # It was shortened meanwhile: that has happened or not.
            return chance.choice((durable, all_))
        end = chance.randrange(len(durable), len(all_) + 1)
        if draw < 0.9:
            end = max(len(durable), end - end % SECTOR)
        return all_[:end]


def apply(changes):
    content = bytearray()
    for _, _, at, data in changes:
        if data is None:
            if at < len(content):
                del content[at:]
            else:
                content.extend(bytes(at - len(content)))
            continue
        if at > len(content):
            content.extend(bytes(at - len(content)))
        content[at:at + len(data)] = data
    return bytes(content)


class Description:
    """An open file: where it is, and whether it appends."""

    def __init__(self, file, path, appends):
        self.file, self.path, self.appends, self.position = file, path, appends, 0


class Record:
    """The calls of one process below one directory."""

    def __init__(self, trace, folder, on_other=lambda op: None):
        """`on_other` is shown calls that `command` was asked for in addition."""
        self.on_other = on_other
        self.root = os.path.abspath(folder).encode()
        # (op, directory, change): ("link", name, file) | ("rename", from, to, file) | ("unlink", name) | ("mkdir", name)
        self.names, self.directory_syncs = [], []
        self.now, self.open = {}, {}
        ops = parse(trace)
        # A number of a file is free again when its close begins, and taken when its open has ended.
        steps = [(op.end if op.name in ("openat", "fcntl", "dup", "dup2", "dup3", "open") else op.start, index, op)
                 for index, op in enumerate(ops)]
        for _, _, op in sorted(steps, key=lambda step: step[:2]):
            self.take(op)
        self.begin, self.end = ops[0].start, ops[-1].start
        # The moments that matter most: just behind what changed something, or made it durable.
        self.moments = [end for file in set(self.now.values()) if file for _, end in file.syncs]
        self.moments += [end for _, _, end in self.directory_syncs] + [op.end for op, _, _ in self.names]
        self.moments = [moment for moment in self.moments if moment < self.end]

    def moment(self, chance):
        """A time at which the power may go."""
        if chance.random() < 0.5:
            return self.begin + (self.end - self.begin) * chance.random()
        return chance.choice(self.moments) + chance.choice((-0.0002, 0.00001, 0.0002))

    def inside(self, path):
        return path if path.startswith(self.root + b"/") or path == self.root else None

    def take(self, op):
        match op.name:
            case "openat" | "open":
                self.on_open(op)
            case "close":
                self.open.pop(op.number(), None)
            case "fcntl" if b"F_DUPFD" in op.arguments:
                self.duplicate(op.number(), op.result)
            case "dup" | "dup2" | "dup3":
                self.duplicate(op.number(), op.result)
            case "write" | "pwrite64" | "writev":
                self.on_write(op)
            case "fsync" | "fdatasync":
                found = self.open.get(op.number())
                if found and found.file is None:
                    self.directory_syncs.append((found.path, op.start, op.end))
                elif found:
                    found.file.syncs.append((op.start, op.end))
            case "ftruncate":
                found = self.open.get(op.number())
                if found:
                    found.file.cut(op, op.number(1))
            case "truncate":
                if file := self.now.get(op.texts()[0]):
                    file.cut(op, op.number(1))
            case "rename" | "renameat" | "renameat2":
                one, other = op.texts()
                if self.inside(other):
                    file = self.now[other] = self.now.pop(one)
                    self.names.append((op, os.path.dirname(other), ("rename", one, other, file)))
            case "unlink" | "unlinkat":
                name = op.texts()[0]
                if self.inside(name):
                    self.now.pop(name, None)
                    self.names.append((op, os.path.dirname(name), ("unlink", name)))
            case "mkdir" | "mkdirat":
                name = op.texts()[0]
                if self.inside(name) and name != self.root:
                    self.names.append((op, os.path.dirname(name), ("mkdir", name)))
            case "fcntl":
                pass
            case "sendto" | "sendmsg":
                self.on_other(op)
            case _:
                raise AssertionError(f"a call that this record does not know: {op.name}")

    def duplicate(self, old, new):
        if old in self.open:
            self.open[new] = self.open[old]

    def on_open(self, op):
        path = op.texts()[0]
        if not path.startswith(b"/"):
            path = os.path.join(self.root, path)
        path = os.path.normpath(path)
        if not self.inside(path) or op.result < 0:
            return
        flags = TEXT.sub(b"", op.arguments)
        file = self.now.get(path)
        if file is None and b"O_CREAT" in flags:
            file = self.now[path] = File()
            self.names.append((op, os.path.dirname(path), ("link", path, file)))
        elif file is not None and b"O_TRUNC" in flags:
            file.cut(op, 0)
        self.open[op.result] = Description(file, path, b"O_APPEND" in flags)

    def on_write(self, op):
        found = self.open.get(op.number())
        if not found or not found.file:
            return
        data = b"".join(op.texts())
        if op.result >= 0:
            data = data[:op.result]
        if op.name == "pwrite64":
            at = int(TEXT.sub(b"", op.arguments).rsplit(b",", 1)[1])
        else:
            at = found.file.size if found.appends else found.position
            found.position = at + len(data)
        found.file.write(op, at, data)

    def leave(self, cut, chance, target):
        """Makes `target` what the directory is after a loss of power at `cut`."""
        by_directory = {}
        for op, directory, change in self.names:
            if op.start < cut:
                by_directory.setdefault(directory, []).append((op, change))
        all_happen = chance.random()
        happened = []
        for directory, changes in by_directory.items():
            synced = max((start for path, start, end in self.directory_syncs if path == directory and end <= cut), default=-1)
            sure = 0
            while sure < len(changes) and changes[sure][0].end <= synced:
                sure += 1
            more = len(changes) - sure
            count = sure + (0 if all_happen < 0.3 else more if all_happen < 0.5 else chance.randint(0, more))
            happened += changes[:count]
        shutil.rmtree(target, ignore_errors=True)
        os.makedirs(target)
        names, folders = {}, {self.root}
        for _, change in sorted(happened, key=lambda item: item[0].start):
            match change:
                case ("link", name, file):
                    names[name] = file
                case ("mkdir", name):
                    folders.add(name)
                case ("rename", one, other, file):
                    # A name that is durable says which file it means, whether or not the old one ever was.
                    if names.get(one) is file:
                        del names[one]
                    names[other] = file
                case ("unlink", name):
                    names.pop(name, None)
        contents = {}
        for name, file in names.items():
            folder = os.path.dirname(name)
            # A directory that is not durable takes what is in it along.
            if folder not in folders:
                continue
            path = os.path.join(os.fsencode(target), os.path.relpath(name, self.root))
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if file not in contents:
                contents[file] = file.content(cut, chance)
            with open(path, "wb") as out:
                out.write(contents[file])
