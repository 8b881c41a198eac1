//! The attributes `host.*`.

use super::detected::Detected;
use super::files::read_first;
use super::system;

pub(super) fn detect(detected: &mut Detected) {
    detected.add_read("host.name", system::host_name());
    detected.add("host.arch", arch());
    let id = read_first(MACHINE_ID).map(|id| id.map(|id| id.trim().to_owned()));
    detected.add_read("host.id", id);
}

/// The value that the semantic conventions list for the architecture this program is compiled for.
fn arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "arm" => "arm32",
        "powerpc" => "ppc32",
        "powerpc64" => "ppc64",
        other => other,
    }
}

/// The files of the machine id on Linux and FreeBSD, as in the semantic conventions.
const MACHINE_ID: &[&str] = &["/etc/machine-id", "/var/lib/dbus/machine-id", "/etc/hostid"];
