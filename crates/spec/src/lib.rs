//! The tables' types: commands, directives, INFO fields, refusals.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

pub mod catalogue;
pub mod command;
pub mod config;
pub mod directive;
pub mod hint;
pub mod info;
pub mod refusal;
pub mod syntax;

pub use command::{Access, Acl, Arity, Flags, Group, Keys, Spec};
pub use config::Config;
pub use directive::DirectiveId;
pub use info::Facts;
pub use refusal::Refusal;
