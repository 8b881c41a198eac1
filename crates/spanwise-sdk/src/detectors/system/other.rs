//! Systems without `uname`, Windows above all: what the environment holds.

use std::io;

/// The name of this machine, which Windows sets for each process.
pub(in super::super) fn host_name() -> io::Result<Option<String>> {
    Ok(std::env::var_os("COMPUTERNAME").map(|name| name.to_string_lossy().into_owned()))
}

/// The version of the system is unknown without a call of its own.
pub(in super::super) fn os_version() -> io::Result<Option<String>> {
    Ok(None)
}
