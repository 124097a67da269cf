//! Poller: which connections can be read or written, and a bell by which one thread wakes all others.

use rustix::event::{EventfdFlags, Timespec, epoll, eventfd};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime,
};
use std::io::Result;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

/// Events that one wait takes.
const EVENTS_MAX: usize = 512;
/// The names of the bell and of the clock; connections have their index.
const BELL: u64 = u64::MAX;
const CLOCK: u64 = u64::MAX - 1;

/// Wakes every poller that knows it, for good.
pub struct Bell(OwnedFd);

impl Bell {
    /// A silent one.
    pub fn new() -> Result<Bell> {
        Ok(Bell(eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?))
    }

    /// Rings until the end of the test: nobody reads it.
    pub fn ring(&self) {
        // It can only fail when it rings already.
        let _ = rustix::io::write(&self.0, &1u64.to_ne_bytes());
    }
}

/// What happened on a connection.
#[derive(Clone, Copy)]
pub struct Ready {
    /// Which one.
    pub index: usize,
    /// There are bytes, or an end.
    pub can_read: bool,
    /// There is room again.
    pub can_write: bool,
}

/// One thread's epoll.
pub struct Poller {
    epoll: OwnedFd,
    clock: OwnedFd,
}

impl Poller {
    /// A poller that hears `bell`.
    pub fn new(bell: &Bell) -> Result<Poller> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let clock =
            timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        epoll::add(&epoll, &bell.0, epoll::EventData::new_u64(BELL), epoll::EventFlags::IN)?;
        epoll::add(&epoll, &clock, epoll::EventData::new_u64(CLOCK), epoll::EventFlags::IN)?;
        Ok(Poller { epoll, clock })
    }

    /// Waits for bytes on a connection.
    pub fn add(&self, fd: impl AsFd, index: usize) -> Result<()> {
        let data = epoll::EventData::new_u64(index as u64);
        Ok(epoll::add(&self.epoll, fd, data, epoll::EventFlags::IN)?)
    }

    /// Waits for room too, or no longer.
    pub fn wants_room(&self, fd: impl AsFd, index: usize, wants: bool) -> Result<()> {
        let data = epoll::EventData::new_u64(index as u64);
        let room = if wants { epoll::EventFlags::OUT } else { epoll::EventFlags::empty() };
        Ok(epoll::modify(&self.epoll, fd, data, epoll::EventFlags::IN | room)?)
    }

    /// The next wait ends after `span` even where nothing happens. More exact than a wait's own limit.
    pub fn wake_in(&self, span: Duration) -> Result<()> {
        let it_value = Timespec {
            tv_sec: i64::try_from(span.as_secs()).unwrap_or(i64::MAX),
            // 1: zero would stop the clock.
            tv_nsec: i64::from(span.subsec_nanos()).max(1),
        };
        let it_interval = Timespec { tv_sec: 0, tv_nsec: 0 };
        timerfd_settime(&self.clock, TimerfdTimerFlags::empty(), &Itimerspec { it_interval, it_value })?;
        Ok(())
    }

    /// Waits at most `limit`; `None`: until something happens.
    pub fn wait(&self, limit: Option<Duration>, ready: &mut Vec<Ready>) -> Result<()> {
        ready.clear();
        let mut events = [const { MaybeUninit::<epoll::Event>::uninit() }; EVENTS_MAX];
        let limit = limit.map(|limit| Timespec {
            tv_sec: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: limit.subsec_nanos().into(),
        });
        let events = match epoll::wait(&self.epoll, &mut events[..], limit.as_ref()) {
            Ok((events, _)) => events,
            Err(rustix::io::Errno::INTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        for event in events {
            // Its fields lie packed.
            let (flags, data) = (event.flags, event.data);
            match data.u64() {
                BELL => {}
                CLOCK => {
                    // How often it has rung does not matter.
                    let _ = rustix::io::read(&self.clock, &mut [0; 8]);
                }
                index => ready.push(Ready {
                    index: index as usize,
                    can_write: flags.contains(epoll::EventFlags::OUT),
                    can_read: flags
                        .intersects(epoll::EventFlags::IN | epoll::EventFlags::HUP | epoll::EventFlags::ERR),
                }),
            }
        }
        Ok(())
    }
}
