//! 100,000 tasks, three ways.

fn main() -> std::process::ExitCode {
    micro_pools::tasks::main()
}
