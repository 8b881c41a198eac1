//! Bodies in pieces: processor time of the sending thread, and its instructions outside of the kernel.

fn main() -> std::process::ExitCode {
    micro_pools::time_bodies()
}
