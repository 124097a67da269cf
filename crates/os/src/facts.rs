//! Facts: the figures of the process that only the system knows, for INFO.

use crate::config::Allocator;
use crate::syscalls;
use machine::{HostFacts, Traffic};
use std::fs::File;
use std::os::unix::fs::FileExt;

/// Reads the figures. `/proc/self/statm` stays open: one read per look.
#[derive(Debug)]
pub(crate) struct Facts {
    statm: Option<File>,
    page_bytes: u64,
    memory_total_bytes: u64,
    allocator: Allocator,
}

impl Facts {
    pub(crate) fn new(allocator: Allocator) -> Facts {
        Facts {
            // A host without /proc shows no resident set; everything else goes on.
            statm: File::open("/proc/self/statm").ok(),
            page_bytes: syscalls::page_bytes(),
            memory_total_bytes: syscalls::memory_bytes(),
            allocator,
        }
    }

    /// What can be asked of the allocator.
    pub(crate) fn allocator(&self) -> &Allocator {
        &self.allocator
    }

    /// The figures now, with what went over sockets so far.
    pub(crate) fn look(&self, traffic: Traffic) -> HostFacts {
        let (cpu_user_us, cpu_system_us) = syscalls::cpu_us(false);
        let (cpu_user_main_us, cpu_system_main_us) = syscalls::cpu_us(true);
        HostFacts {
            rss_bytes: self.rss_bytes(),
            cpu_user_us,
            cpu_system_us,
            cpu_user_main_us,
            cpu_system_main_us,
            traffic,
            memory_total_bytes: self.memory_total_bytes,
            allocator: (self.allocator.facts)(),
            allocator_name: self.allocator.name,
        }
    }

    /// The second number of statm: resident pages.
    fn rss_bytes(&self) -> u64 {
        let mut text = [0; 128];
        let Some(len) = self.statm.as_ref().and_then(|file| file.read_at(&mut text, 0).ok()) else {
            return 0;
        };
        let pages = str::from_utf8(&text[..len]).ok().and_then(|text| text.split(' ').nth(1)?.parse().ok());
        pages.unwrap_or(0) * self.page_bytes
    }
}
