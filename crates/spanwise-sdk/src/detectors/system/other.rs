//! Systems without `uname`, mostly Windows: the environment variables of the system.

use std::io;

/// The name of this machine, which Windows sets for each process.
pub(in super::super) fn host_name() -> io::Result<Option<String>> {
    Ok(std::env::var_os("COMPUTERNAME").map(|name| name.to_string_lossy().into_owned()))
}

/// The version of the system, which no environment variable has.
pub(in super::super) fn os_version() -> io::Result<Option<String>> {
    Ok(None)
}
