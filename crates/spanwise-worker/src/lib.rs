#![doc = include_str!("../README.md")]
#![deny(unsafe_code)]

pub mod clock;
mod completion;
mod signal;
mod worker;

pub use completion::{Completer, Waiter, completion};
pub use signal::{Signal, WakeHandle, Woke, signal};
pub use worker::{Builder, State, Worker};
