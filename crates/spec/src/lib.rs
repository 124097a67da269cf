//! The tables' types: commands, directives, INFO fields, refusals.
#![no_std]
extern crate alloc;

pub mod command;
pub mod refusal;

pub use command::{Access, Acl, Arity, Flags, Group, Keys, Spec};
pub use refusal::Refusal;
