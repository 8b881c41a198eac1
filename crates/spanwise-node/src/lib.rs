#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod account;
mod arguments;
mod attempts;
mod check;
mod config;
mod destination;
mod directories;
mod gateway;
mod intake;
mod machine;
mod memory;
mod node;
mod operations;
mod processors;
mod rejection;
mod sampler;
pub mod settings;
mod stage;
mod start_error;
mod state;
mod tls_files;

pub use account::{
    Account, ClosedConnections, CrashAccount, DestinationAccount, GatewayAccount, Imbalance,
    IntakeAccount, MemoryAccount, PeerAccount, ReceiverAccount, SamplerAccount, SpoolAccount,
    SpoolState,
};
pub use arguments::run;
pub use config::{ConfigError, ConfigOptions, ConfigSource};
pub use node::{Node, NodeView};
pub use start_error::{ExitKind, ReloadError, ReloadProblem, StartError};
