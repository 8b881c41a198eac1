use std::sync::OnceLock;

/// Whether the clock may use the processor's counter: the value of `SPANWISE_CLOCK`.
///
/// For machines whose counter is wrong although processor and kernel report it as steady, as some
/// virtual machines do, and for tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClockMode {
    /// `auto`: the counter, where processor and kernel report that it is steady. The default.
    #[default]
    Auto,
    /// `monotonic`: never the counter, always the system's monotonic clock.
    Monotonic,
}

impl ClockMode {
    /// The name of the environment variable.
    pub const VARIABLE: &str = "SPANWISE_CLOCK";

    /// The mode of this name, not case-sensitive; `None` for other names.
    pub fn parse(name: &str) -> Option<Self> {
        match name.trim() {
            name if name.eq_ignore_ascii_case("auto") => Some(Self::Auto),
            name if name.eq_ignore_ascii_case("monotonic") => Some(Self::Monotonic),
            _ => None,
        }
    }

    /// The mode that the environment sets, read once; the default if the variable is not set or its
    /// value is unknown.
    pub(super) fn of_the_process() -> Self {
        static MODE: OnceLock<ClockMode> = OnceLock::new();
        let read = || Self::parse(std::env::var_os(Self::VARIABLE)?.to_str()?);
        *MODE.get_or_init(|| read().unwrap_or_default())
    }
}
