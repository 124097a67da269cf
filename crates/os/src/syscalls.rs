//! System calls: the one place where sockets, files and clocks of the kernel are touched.
//!
//! Each call is a method of [`Syscalls`], a value without content in production. In a test build it carries
//! `Faults`, which make calls fail or fall short as a loaded kernel does, and count them.
//!
//! Invariant: a short result of `recv` or `send` means that the socket is drained or full; the loop relies on
//! it and saves the call that would say so. An injected short result therefore re-arms the epoll entry.

use base::Span;
use std::io;
use std::mem::{self, MaybeUninit};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;

#[cfg(test)]
use crate::faults::{Fault, Faults};
#[cfg(test)]
use std::sync::Arc;

/// Readiness to read, and the peer's half of the connection ended: what each connection is registered for.
pub const READABLE: u32 = (libc::EPOLLIN | libc::EPOLLRDHUP) as u32;
/// Readiness to write.
pub const WRITABLE: u32 = libc::EPOLLOUT as u32;
/// The peer will send nothing more.
pub const PEER_ENDED: u32 = libc::EPOLLRDHUP as u32;
/// The connection is broken or closed in both directions.
pub const BROKEN: u32 = (libc::EPOLLERR | libc::EPOLLHUP) as u32;
/// Report changes of readiness, not readiness.
pub const EDGE: u32 = libc::EPOLLET as u32;

/// 20 ms: shorter waits end to the microsecond.
const FINE_WAIT_MAX: Span = Span::ms(20);
/// Most chunks that one gathering send takes.
pub const GATHER_MAX: usize = 64;

/// The kernel, or in a test build the kernel seen through faults.
#[derive(Clone, Debug, Default)]
pub struct Syscalls {
    #[cfg(test)]
    pub faults: Option<Arc<Faults>>,
}

/// The result of a call that says -1 and sets `errno`.
fn checked(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn checked_len(result: libc::ssize_t) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

fn owned(fd: libc::c_int) -> OwnedFd {
    assert!(fd >= 0);
    // SAFETY: `fd` was just returned by a successful call that creates a descriptor, and is stored nowhere else.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// An epoll instance.
#[derive(Debug)]
pub struct Epoll {
    fd: OwnedFd,
    events: Vec<libc::epoll_event>,
    filled: usize,
    /// The kernel is older than 5.11: it waits by whole milliseconds.
    is_coarse: bool,
}

/// Readiness of one registered descriptor.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    pub token: u64,
    pub flags: u32,
}

impl Epoll {
    /// An instance that reports at most `events_max` events at once.
    pub fn new(events_max: usize) -> io::Result<Epoll> {
        // SAFETY: no pointers are passed.
        let fd = owned(checked(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?);
        Ok(Epoll {
            fd,
            events: vec![libc::epoll_event { events: 0, u64: 0 }; events_max],
            filled: 0,
            is_coarse: false,
        })
    }

    /// By whole milliseconds, rounded up: an early wake would only be followed by another.
    fn wait_coarse(&mut self, timeout: Span) -> libc::c_int {
        let timeout_ms = i32::try_from(timeout.as_us().div_ceil(1_000)).unwrap_or(i32::MAX);
        let (events, len) = (self.events.as_mut_ptr(), self.events.len() as libc::c_int);
        // SAFETY: `events` is a live vector of `len` initialised entries; the kernel writes at most so many.
        unsafe { libc::epoll_wait(self.fd.as_raw_fd(), events, len, timeout_ms) }
    }

    fn wait_fine(&mut self, timeout: Span) -> libc::c_int {
        // Less than `FINE_WAIT_MAX`: it fits any type of the fields.
        let nanoseconds = timeout.as_us() as libc::c_long * 1_000;
        let time = libc::timespec { tv_sec: 0, tv_nsec: nanoseconds };
        let (events, len) = (self.events.as_mut_ptr(), self.events.len() as libc::c_int);
        let no_mask = ptr::null::<libc::sigset_t>();
        // SAFETY: as `wait_coarse`; `time` is a live local that the call only reads, and there is no signal mask.
        let result = unsafe {
            libc::syscall(
                libc::SYS_epoll_pwait2,
                self.fd.as_raw_fd(),
                events,
                len,
                &raw const time,
                no_mask,
                0usize,
            )
        };
        result as libc::c_int
    }

    /// Event number `index` of the last `wait`.
    #[inline]
    pub fn event(&self, index: usize) -> Event {
        let event = &self.events[..self.filled][index];
        Event { token: event.u64, flags: event.events }
    }

    fn control(&self, operation: libc::c_int, fd: BorrowedFd<'_>, token: u64, flags: u32) -> io::Result<()> {
        let mut event = libc::epoll_event { events: flags, u64: token };
        // SAFETY: `event` is a live local that the call only reads; both descriptors are open while borrowed.
        checked(unsafe { libc::epoll_ctl(self.fd.as_raw_fd(), operation, fd.as_raw_fd(), &raw mut event) })?;
        Ok(())
    }
}

impl Syscalls {
    #[cfg(test)]
    fn fault(&self, call: crate::faults::Call) -> Option<Fault> {
        self.faults.as_ref()?.next(call)
    }

    /// Registers a descriptor.
    pub fn epoll_add(&self, epoll: &Epoll, fd: BorrowedFd<'_>, token: u64, flags: u32) -> io::Result<()> {
        #[cfg(test)]
        if let Some(faults) = &self.faults {
            faults.registered(epoll.fd.as_raw_fd(), fd.as_raw_fd(), token, flags);
        }
        epoll.control(libc::EPOLL_CTL_ADD, fd, token, flags)
    }

    /// Changes what a descriptor is registered for; reports its present readiness anew.
    pub fn epoll_modify(&self, epoll: &Epoll, fd: BorrowedFd<'_>, token: u64, flags: u32) -> io::Result<()> {
        #[cfg(test)]
        if let Some(faults) = &self.faults {
            faults.registered(epoll.fd.as_raw_fd(), fd.as_raw_fd(), token, flags);
        }
        epoll.control(libc::EPOLL_CTL_MOD, fd, token, flags)
    }

    /// Waits for events. An interrupted wait reports none.
    pub fn epoll_wait(&self, epoll: &mut Epoll, timeout: Span) -> io::Result<usize> {
        epoll.filled = 0;
        #[cfg(test)]
        if let Some(Fault::Interrupted) = self.fault(crate::faults::Call::Wait) {
            return Ok(0);
        }
        let is_fine = timeout > Span::ZERO && timeout < FINE_WAIT_MAX && !epoll.is_coarse;
        let result = if is_fine { epoll.wait_fine(timeout) } else { epoll.wait_coarse(timeout) };
        match checked(result) {
            Ok(filled) => epoll.filled = filled as usize,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if is_fine && error.raw_os_error() == Some(libc::ENOSYS) => epoll.is_coarse = true,
            Err(error) => return Err(error),
        }
        Ok(epoll.filled)
    }

    /// Reads into the spare capacity of `buffer`, at most `bytes_max`; 0 is the end of the stream.
    #[inline]
    pub fn recv(&self, fd: BorrowedFd<'_>, buffer: &mut Vec<u8>, bytes_max: usize) -> io::Result<usize> {
        #[cfg(test)]
        let bytes_max = match self.fault(crate::faults::Call::Recv) {
            None => bytes_max,
            Some(Fault::Short(len)) => {
                self.rearm(fd);
                bytes_max.min(len)
            }
            Some(fault) => return Err(self.refuse(fd, fault)),
        };
        let spare = buffer.spare_capacity_mut();
        let len = spare.len().min(bytes_max);
        // SAFETY: `spare` is a live slice of at least `len` writable bytes; the kernel writes only there.
        let result = unsafe { recv_at(fd, spare.as_mut_ptr().cast(), len) };
        let received = checked_len(result)?;
        assert!(received <= len);
        let filled = buffer.len() + received;
        // SAFETY: the kernel has initialised the `received` bytes behind the old length, within the capacity.
        unsafe { buffer.set_len(filled) };
        Ok(received)
    }

    /// True when the stream's end is the next thing to read, false when bytes are.
    pub fn peek_end(&self, fd: BorrowedFd<'_>) -> io::Result<bool> {
        let mut byte = [0u8; 1];
        let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT;
        // SAFETY: `byte` is a live local of one writable byte.
        let result = unsafe { libc::recv(fd.as_raw_fd(), byte.as_mut_ptr().cast(), 1, flags) };
        Ok(checked_len(result)? == 0)
    }

    /// Sends bytes; a short result means that the socket is full.
    #[inline]
    pub fn send(&self, fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
        #[cfg(test)]
        let bytes = match self.fault(crate::faults::Call::Send) {
            None => bytes,
            Some(Fault::Short(len)) => {
                self.rearm(fd);
                &bytes[..bytes.len().min(len)]
            }
            Some(fault) => return Err(self.refuse(fd, fault)),
        };
        // SAFETY: `bytes` is a live slice that the kernel only reads.
        let result = unsafe { send_from(fd, bytes.as_ptr(), bytes.len()) };
        checked_len(result)
    }

    /// Sends several slices in one call, at most `GATHER_MAX`.
    pub fn send_gathered(&self, fd: BorrowedFd<'_>, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
        assert!(slices.len() <= GATHER_MAX);
        #[cfg(test)]
        match self.fault(crate::faults::Call::Send) {
            None => {}
            Some(Fault::Short(len)) => {
                self.rearm(fd);
                let short = &slices[0][..slices[0].len().min(len)];
                // SAFETY: `short` is a live slice that the kernel only reads.
                let result = unsafe {
                    libc::send(fd.as_raw_fd(), short.as_ptr().cast(), short.len(), libc::MSG_NOSIGNAL)
                };
                return checked_len(result);
            }
            Some(fault) => return Err(self.refuse(fd, fault)),
        }
        // SAFETY: all-zero is a valid value of this plain C structure: null pointers and zero lengths.
        let mut message: libc::msghdr = unsafe { mem::zeroed() };
        // An `IoSlice` has the layout of an `iovec`, as its documentation promises. The kernel only reads it.
        message.msg_iov = slices.as_ptr().cast::<libc::iovec>().cast_mut();
        message.msg_iovlen = slices.len() as _;
        // SAFETY: `message` and the slices that it points to are live for the call, which only reads them.
        let result = unsafe { libc::sendmsg(fd.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL) };
        checked_len(result)
    }

    /// Accepts a connection, without blocking; none when no one waits.
    pub fn accept(&self, listener: BorrowedFd<'_>) -> io::Result<Option<(OwnedFd, Option<SocketAddr>)>> {
        #[cfg(test)]
        match self.fault(crate::faults::Call::Accept) {
            None | Some(Fault::Short(_)) => {}
            Some(Fault::WouldBlock) => return Ok(None),
            Some(fault) => return Err(fault.error()),
        }
        // SAFETY: all-zero is a valid value of this plain C structure.
        let mut storage: libc::sockaddr_storage = unsafe { mem::zeroed() };
        let mut len = mem::size_of_val(&storage) as libc::socklen_t;
        let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        // SAFETY: `storage` and `len` are live locals; the kernel writes at most `len` bytes of an address.
        let result =
            unsafe { libc::accept4(listener.as_raw_fd(), (&raw mut storage).cast(), &raw mut len, flags) };
        match checked(result) {
            Ok(fd) => Ok(Some((owned(fd), address_of(&storage)))),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    #[cfg(test)]
    fn rearm(&self, fd: BorrowedFd<'_>) {
        if let Some(faults) = &self.faults {
            faults.rearm(fd.as_raw_fd());
        }
    }

    /// Makes a fault an error; one that says "not ready" re-arms, as readiness would come back.
    #[cfg(test)]
    fn refuse(&self, fd: BorrowedFd<'_>, fault: Fault) -> io::Error {
        if fault == Fault::WouldBlock {
            self.rearm(fd);
        }
        fault.error()
    }

    /// Before an operation on files: a test build may delay it, or answer with an error in its place.
    pub fn disk_gate(&self, step: DiskStep) -> io::Result<()> {
        #[cfg(test)]
        if let Some(faults) = &self.faults {
            return faults.disk(step);
        }
        let _ = step;
        Ok(())
    }
}

/// A step of a disk operation that can fail on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskStep {
    Open,
    Write,
    Sync,
    Rename,
    Read,
}

#[cfg(test)]
impl Epoll {
    /// Reports the present readiness of a descriptor anew.
    pub fn rearm_raw(epoll: libc::c_int, fd: libc::c_int, token: u64, flags: u32) {
        let mut event = libc::epoll_event { events: flags, u64: token };
        // SAFETY: `event` is a live local that the call only reads; a closed descriptor is an error, ignored:
        // there is nothing to report for it.
        unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_MOD, fd, &raw mut event) };
    }
}

/// The address in `storage`; none for a family without ports.
fn address_of(storage: &libc::sockaddr_storage) -> Option<SocketAddr> {
    match libc::c_int::from(storage.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says which structure the kernel wrote; the storage is large and aligned enough.
            let v4 = unsafe { &*(&raw const *storage).cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
            Some(SocketAddr::new(IpAddr::V4(ip), u16::from_be(v4.sin_port)))
        }
        libc::AF_INET6 => {
            // SAFETY: as above.
            let v6 = unsafe { &*(&raw const *storage).cast::<libc::sockaddr_in6>() };
            let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            Some(SocketAddr::new(IpAddr::V6(ip), u16::from_be(v6.sin6_port)))
        }
        _ => None,
    }
}

/// An address as the kernel takes it.
struct RawAddress {
    storage: libc::sockaddr_storage,
    len: libc::socklen_t,
}

impl RawAddress {
    fn inet(address: SocketAddr) -> RawAddress {
        // SAFETY: all-zero is a valid value of this plain C structure.
        let mut storage: libc::sockaddr_storage = unsafe { mem::zeroed() };
        let len = match address {
            SocketAddr::V4(v4) => {
                // SAFETY: the storage is large and aligned enough for each family, zeroed, and borrowed alone.
                let raw = unsafe { &mut *(&raw mut storage).cast::<libc::sockaddr_in>() };
                raw.sin_family = libc::AF_INET as libc::sa_family_t;
                raw.sin_port = v4.port().to_be();
                raw.sin_addr.s_addr = u32::from(*v4.ip()).to_be();
                mem::size_of::<libc::sockaddr_in>()
            }
            SocketAddr::V6(v6) => {
                // SAFETY: as above.
                let raw = unsafe { &mut *(&raw mut storage).cast::<libc::sockaddr_in6>() };
                raw.sin6_family = libc::AF_INET6 as libc::sa_family_t;
                raw.sin6_port = v6.port().to_be();
                raw.sin6_addr.s6_addr = v6.ip().octets();
                raw.sin6_scope_id = v6.scope_id();
                mem::size_of::<libc::sockaddr_in6>()
            }
        };
        RawAddress { storage, len: len as libc::socklen_t }
    }

    fn unix(path: &Path) -> io::Result<RawAddress> {
        // SAFETY: all-zero is a valid value of this plain C structure.
        let mut storage: libc::sockaddr_storage = unsafe { mem::zeroed() };
        // SAFETY: the storage is large and aligned enough, zeroed, and borrowed alone.
        let raw = unsafe { &mut *(&raw mut storage).cast::<libc::sockaddr_un>() };
        raw.sun_family = libc::AF_UNIX as libc::sa_family_t;
        let bytes = path.as_os_str().as_bytes();
        // One byte stays for the zero that ends the path.
        if bytes.len() >= raw.sun_path.len() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the socket's path is too long"));
        }
        for (place, &byte) in raw.sun_path.iter_mut().zip(bytes) {
            *place = byte as libc::c_char;
        }
        let len = mem::offset_of!(libc::sockaddr_un, sun_path) + bytes.len() + 1;
        Ok(RawAddress { storage, len: len as libc::socklen_t })
    }

    fn pointer(&self) -> *const libc::sockaddr {
        (&raw const self.storage).cast()
    }

    fn family(&self) -> libc::c_int {
        libc::c_int::from(self.storage.ss_family)
    }
}

fn stream_socket(family: libc::c_int) -> io::Result<OwnedFd> {
    let kind = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: no pointers are passed.
    Ok(owned(checked(unsafe { libc::socket(family, kind, 0) })?))
}

fn set_option(fd: BorrowedFd<'_>, level: libc::c_int, name: libc::c_int, value: u32) -> io::Result<()> {
    let value = value as libc::c_int;
    let len = mem::size_of_val(&value) as libc::socklen_t;
    // SAFETY: `value` is a live local of `len` bytes that the call only reads.
    checked(unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, (&raw const value).cast(), len) })?;
    Ok(())
}

/// A listening TCP socket.
pub fn listen_inet(address: SocketAddr, backlog: u32) -> io::Result<OwnedFd> {
    let raw = RawAddress::inet(address);
    let socket = stream_socket(raw.family())?;
    let fd = socket.as_fd();
    set_option(fd, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
    if address.is_ipv6() {
        set_option(fd, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 1)?;
    }
    // SAFETY: `raw` is live and holds an address of `raw.len` bytes.
    checked(unsafe { libc::bind(socket.as_raw_fd(), raw.pointer(), raw.len) })?;
    listen(&socket, backlog)?;
    Ok(socket)
}

/// A listening Unix socket.
pub fn listen_unix(path: &Path, backlog: u32) -> io::Result<OwnedFd> {
    let raw = RawAddress::unix(path)?;
    let socket = stream_socket(raw.family())?;
    // SAFETY: `raw` is live and holds an address of `raw.len` bytes.
    checked(unsafe { libc::bind(socket.as_raw_fd(), raw.pointer(), raw.len) })?;
    listen(&socket, backlog)?;
    Ok(socket)
}

fn listen(socket: &OwnedFd, backlog: u32) -> io::Result<()> {
    let backlog = libc::c_int::try_from(backlog).unwrap_or(libc::c_int::MAX);
    // SAFETY: no pointers are passed.
    checked(unsafe { libc::listen(socket.as_raw_fd(), backlog) })?;
    Ok(())
}

/// Starts a TCP connection, from `source` if given; it stands when the socket becomes writable.
pub fn connect_inet(address: SocketAddr, source: Option<IpAddr>) -> io::Result<OwnedFd> {
    let raw = RawAddress::inet(address);
    let socket = stream_socket(raw.family())?;
    if let Some(source) = source.filter(|source| source.is_ipv4() == address.is_ipv4()) {
        let from = RawAddress::inet(SocketAddr::new(source, 0));
        // SAFETY: `from` is live and holds an address of `from.len` bytes.
        let bound = checked(unsafe { libc::bind(socket.as_raw_fd(), from.pointer(), from.len) });
        // As the originals: from somewhere else rather than not at all.
        let _is_bound = bound.is_ok();
    }
    set_no_delay(socket.as_fd())?;
    start_connect(socket, &raw)
}

/// Starts a connection to a Unix socket.
pub fn connect_unix(path: &Path) -> io::Result<OwnedFd> {
    let raw = RawAddress::unix(path)?;
    start_connect(stream_socket(raw.family())?, &raw)
}

fn start_connect(socket: OwnedFd, to: &RawAddress) -> io::Result<OwnedFd> {
    // SAFETY: `to` is live and holds an address of `to.len` bytes.
    match checked(unsafe { libc::connect(socket.as_raw_fd(), to.pointer(), to.len) }) {
        Ok(_) => Ok(socket),
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => Ok(socket),
        Err(error) => Err(error),
    }
}

/// The outcome of a started connection, once its socket is writable.
pub fn take_socket_error(fd: BorrowedFd<'_>) -> io::Result<()> {
    let mut value: libc::c_int = 0;
    let mut len = mem::size_of_val(&value) as libc::socklen_t;
    // SAFETY: `value` and `len` are live locals; the kernel writes at most `len` bytes.
    checked(unsafe {
        let pointer = (&raw mut value).cast();
        libc::getsockopt(fd.as_raw_fd(), libc::SOL_SOCKET, libc::SO_ERROR, pointer, &raw mut len)
    })?;
    if value == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(value)) }
}

/// Puts small segments together.
pub fn set_delay(fd: BorrowedFd<'_>) -> io::Result<()> {
    set_option(fd, libc::IPPROTO_TCP, libc::TCP_NODELAY, 0)
}

/// Sends small segments at once.
pub fn set_no_delay(fd: BorrowedFd<'_>) -> io::Result<()> {
    set_option(fd, libc::IPPROTO_TCP, libc::TCP_NODELAY, 1)
}

/// Takes the plain congestion control: between two processes of one machine there is no path to learn about, and what
/// a model of one costs (BBR: about 2 percent of a small request) is for nothing. A kernel that says no loses nothing.
pub fn set_plain_congestion(fd: BorrowedFd<'_>) {
    let name = c"reno";
    let len = name.count_bytes() as libc::socklen_t;
    // SAFETY: `name` lives on and is `len` bytes long.
    let result = unsafe {
        let (level, option) = (libc::IPPROTO_TCP, libc::TCP_CONGESTION);
        libc::setsockopt(fd.as_raw_fd(), level, option, name.as_ptr().cast(), len)
    };
    let _is_taken = result == 0;
}

/// Probes a silent peer after `seconds`, then three times every third of that; 0 switches probing off.
pub fn set_keepalive(fd: BorrowedFd<'_>, seconds: u32) -> io::Result<()> {
    set_option(fd, libc::SOL_SOCKET, libc::SO_KEEPALIVE, u32::from(seconds > 0))?;
    if seconds > 0 {
        // The kernel's upper bound for both is 32,767 seconds.
        let idle = seconds.min(32_767);
        set_option(fd, libc::IPPROTO_TCP, libc::TCP_KEEPIDLE, idle)?;
        set_option(fd, libc::IPPROTO_TCP, libc::TCP_KEEPINTVL, (idle / 3).max(1))?;
        set_option(fd, libc::IPPROTO_TCP, libc::TCP_KEEPCNT, 3)?;
    }
    Ok(())
}

/// Our end of a TCP socket.
pub fn local_address(fd: BorrowedFd<'_>) -> io::Result<Option<SocketAddr>> {
    // SAFETY: all-zero is a valid value of this plain C structure.
    let mut storage: libc::sockaddr_storage = unsafe { mem::zeroed() };
    let mut len = mem::size_of_val(&storage) as libc::socklen_t;
    // SAFETY: `storage` and `len` are live locals; the kernel writes at most `len` bytes.
    checked(unsafe { libc::getsockname(fd.as_raw_fd(), (&raw mut storage).cast(), &raw mut len) })?;
    Ok(address_of(&storage))
}

/// The other end of a TCP socket.
pub fn peer_address(fd: BorrowedFd<'_>) -> io::Result<Option<SocketAddr>> {
    // SAFETY: all-zero is a valid value of this plain C structure.
    let mut storage: libc::sockaddr_storage = unsafe { mem::zeroed() };
    let mut len = mem::size_of_val(&storage) as libc::socklen_t;
    // SAFETY: `storage` and `len` are live locals; the kernel writes at most `len` bytes.
    checked(unsafe { libc::getpeername(fd.as_raw_fd(), (&raw mut storage).cast(), &raw mut len) })?;
    Ok(address_of(&storage))
}

/// Waits until `fd` is readable, for `at_most` (less than a second), or until a signal comes.
pub fn wait_for(fd: BorrowedFd<'_>, at_most: Span) {
    let mut waited = libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let timeout = libc::timespec { tv_sec: 0, tv_nsec: (at_most.as_us() * 1_000) as libc::c_long };
    // SAFETY: both are live locals, and one descriptor is what is said to be there; no set of signals is given.
    unsafe { libc::ppoll(&raw mut waited, 1, &raw const timeout, ptr::null()) };
}

/// A counter that wakes an epoll wait.
pub fn event_counter() -> io::Result<OwnedFd> {
    // SAFETY: no pointers are passed.
    Ok(owned(checked(unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) })?))
}

/// Adds one to a counter. It fails only when the counter is near 2^64: then the wake is pending anyway.
pub fn event_add(fd: BorrowedFd<'_>) {
    let one = 1u64.to_ne_bytes();
    // SAFETY: `one` is a live local of eight bytes that the call only reads.
    unsafe { libc::write(fd.as_raw_fd(), one.as_ptr().cast(), one.len()) };
}

/// Empties a counter; false: it was empty already, which is no error.
pub fn event_take(fd: BorrowedFd<'_>) -> bool {
    let mut value = [0u8; 8];
    // SAFETY: `value` is a live local of eight writable bytes.
    unsafe { libc::read(fd.as_raw_fd(), value.as_mut_ptr().cast(), value.len()) > 0 }
}

/// Blocks SIGTERM and SIGINT for this thread and those that it starts, and makes them readable. Ignores
/// SIGHUP and SIGPIPE, as the originals do, and SIGXFSZ: a file that may not grow is an error of its write.
pub fn signal_reader() -> io::Result<OwnedFd> {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `sigemptyset` initialises the live local `set` before the others read it; ignoring a signal
    // installs no handler.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), libc::SIGTERM);
        libc::sigaddset(set.as_mut_ptr(), libc::SIGINT);
        let error = libc::pthread_sigmask(libc::SIG_BLOCK, set.as_ptr(), std::ptr::null_mut());
        if error != 0 {
            return Err(io::Error::from_raw_os_error(error));
        }
        libc::signal(libc::SIGHUP, libc::SIG_IGN);
        libc::signal(libc::SIGPIPE, libc::SIG_IGN);
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        let fd = checked(libc::signalfd(-1, set.as_ptr(), libc::SFD_NONBLOCK | libc::SFD_CLOEXEC))?;
        Ok(owned(fd))
    }
}

/// The next signal that came in, if any.
pub fn signal_next(fd: BorrowedFd<'_>) -> Option<i32> {
    // SAFETY: all-zero is a valid value of this plain C structure.
    let mut info: libc::signalfd_siginfo = unsafe { mem::zeroed() };
    let len = mem::size_of_val(&info);
    // SAFETY: `info` is a live local of `len` writable bytes.
    let result = unsafe { libc::read(fd.as_raw_fd(), (&raw mut info).cast(), len) };
    (result == len as libc::ssize_t).then_some(info.ssi_signo as i32)
}

/// A clock of the kernel, in nanoseconds.
fn clock_ns(clock: libc::clockid_t) -> u64 {
    let mut value = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `value` is a live local that the call fills.
    let result = unsafe { libc::clock_gettime(clock, &raw mut value) };
    assert!(result == 0);
    (value.tv_sec as u64) * 1_000_000_000 + value.tv_nsec as u64
}

/// recv(2) without the C library's point of cancellation: in a process with several threads that costs two atomic
/// operations per call, and nothing here is ever cancelled.
///
/// # Safety
/// `len` bytes at `to` are writable.
#[inline]
unsafe fn recv_at(fd: BorrowedFd<'_>, to: *mut u8, len: usize) -> libc::ssize_t {
    let (fd, flags, none) = (fd.as_raw_fd() as libc::c_long, 0 as libc::c_long, ptr::null_mut::<u8>());
    // SAFETY: the caller's promise; no address is asked for. The argument list is that of recvfrom(2), all of it words.
    unsafe { libc::syscall(libc::SYS_recvfrom, fd, to, len, flags, none, none) as libc::ssize_t }
}

/// send(2) without a point of cancellation, as `recv_at`.
///
/// # Safety
/// `len` bytes at `from` are readable.
#[inline]
unsafe fn send_from(fd: BorrowedFd<'_>, from: *const u8, len: usize) -> libc::ssize_t {
    let (fd, flags) = (fd.as_raw_fd() as libc::c_long, libc::c_long::from(libc::MSG_NOSIGNAL));
    let (none, none_len) = (ptr::null::<u8>(), 0 as libc::c_long);
    // SAFETY: the caller's promise; no address is given. The argument list is that of sendto(2), all of it words.
    unsafe { libc::syscall(libc::SYS_sendto, fd, from, len, flags, none, none_len) as libc::ssize_t }
}

/// Monotonic nanoseconds that count while the host sleeps.
#[inline]
pub fn boot_ns() -> u64 {
    clock_ns(libc::CLOCK_BOOTTIME)
}

/// Nanoseconds of the wall clock since 1970.
#[inline]
pub fn unix_ns() -> u64 {
    clock_ns(libc::CLOCK_REALTIME)
}

/// Fills `bytes` from the system's generator of secrets.
pub fn fill_random(bytes: &mut [u8]) {
    let mut filled = 0;
    while filled < bytes.len() {
        let rest = &mut bytes[filled..];
        // SAFETY: `rest` is a live slice that the call fills.
        let result = unsafe { libc::getrandom(rest.as_mut_ptr().cast(), rest.len(), 0) };
        match checked_len(result) {
            Ok(len) => filled += len,
            Err(error) => assert!(error.kind() == io::ErrorKind::Interrupted),
        }
    }
}

/// What `sched_setattr` takes, as the kernel lays it out.
#[repr(C)]
#[derive(Default)]
struct SchedAttributes {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    /// Of a thread with the usual policy: the length of its slice, from Linux 6.12 on; ignored before.
    runtime_ns: u64,
    deadline_ns: u64,
    period_ns: u64,
}

/// Asks for slices of `ns` for the calling thread, which lets it run at once when it is woken, ahead of threads with longer
/// ones: for a thread that only passes work on. It gets no more time by that. A system that does not know it goes on as it did.
pub fn prefer_short_slices(ns: u64) {
    let mut attributes = SchedAttributes::default();
    let size = mem::size_of::<SchedAttributes>() as u32;
    // SAFETY: `attributes` is a live local of `size` bytes that the calls fill and read.
    unsafe {
        let found = libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, size, 0);
        if found == 0 && attributes.policy == libc::SCHED_OTHER as u32 {
            attributes.runtime_ns = ns;
            libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0);
        }
    }
}

/// Ends short waits of the calling thread, and of those that it starts, to the microsecond; the system's choice is 50 of them.
pub fn fine_timers() {
    const SLACK_NS: libc::c_ulong = 1_000;
    // SAFETY: no pointers are passed. It can not fail with this option, and a coarse timer would do no harm.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, SLACK_NS, 0, 0, 0) };
}

/// User and system CPU time in microseconds, of the process or of the calling thread.
pub fn cpu_us(of_thread: bool) -> (u64, u64) {
    // SAFETY: all-zero is a valid value of this plain C structure.
    let mut usage: libc::rusage = unsafe { mem::zeroed() };
    let who = if of_thread { libc::RUSAGE_THREAD } else { libc::RUSAGE_SELF };
    // SAFETY: `usage` is a live local that the call fills.
    unsafe { libc::getrusage(who, &raw mut usage) };
    let us = |time: libc::timeval| time.tv_sec as u64 * 1_000_000 + time.tv_usec as u64;
    (us(usage.ru_utime), us(usage.ru_stime))
}

/// The calendar's reading of `unix_seconds` in local time: day, month (0 to 11), year, hour, minute, second.
pub fn local_time(unix_seconds: u64) -> [i32; 6] {
    let seconds = unix_seconds as libc::time_t;
    let mut parts = MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: both are live locals; the call fills `parts`, for which all-zero is a valid value as well.
    let parts = unsafe {
        libc::localtime_r(&raw const seconds, parts.as_mut_ptr());
        parts.assume_init()
    };
    [parts.tm_mday, parts.tm_mon, parts.tm_year + 1900, parts.tm_hour, parts.tm_min, parts.tm_sec]
}

/// The bound on open files of this process, raised to `wanted` as far as the system allows; what it is now.
pub fn raise_open_files(wanted: u64) -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a live local that the call fills.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0 || limit.rlim_cur >= wanted {
        return limit.rlim_cur;
    }
    for hard in [limit.rlim_max.max(wanted), limit.rlim_max] {
        let raised = libc::rlimit { rlim_cur: wanted.min(hard), rlim_max: hard };
        // SAFETY: `raised` is a live local that the call only reads.
        if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const raised) } == 0 {
            return raised.rlim_cur;
        }
    }
    limit.rlim_cur
}

/// Bytes in a page of memory.
pub fn page_bytes() -> u64 {
    // SAFETY: no pointers are passed.
    u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

/// Bytes of memory in this machine; 0 when the system does not say.
pub fn memory_bytes() -> u64 {
    // SAFETY: no pointers are passed.
    u64::try_from(unsafe { libc::sysconf(libc::_SC_PHYS_PAGES) }).unwrap_or(0) * page_bytes()
}
