use std::sync::OnceLock;

/// Whether the processor's counter may be used: the value of `SPANWISE_CLOCK`.
///
/// For machines whose counter lies although processor and kernel vouch for it, as some virtual
/// ones do, and for tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClockMode {
    /// `auto`: the counter, where processor and system say that it is steady. The default.
    #[default]
    Auto,
    /// `monotonic`: never the counter, always the system's monotonic clock.
    Monotonic,
}

impl ClockMode {
    /// The environment variable.
    pub const VARIABLE: &str = "SPANWISE_CLOCK";

    /// Its values, in words.
    pub const ACCEPTED: &str = "auto or monotonic";

    /// The mode of this name, in whatever case; `None` for other names.
    pub fn parse(name: &str) -> Option<Self> {
        match name.trim() {
            name if name.eq_ignore_ascii_case("auto") => Some(Self::Auto),
            name if name.eq_ignore_ascii_case("monotonic") => Some(Self::Monotonic),
            _ => None,
        }
    }

    /// What the environment says, read once; the default if it is not set or not known.
    pub(super) fn of_the_process() -> Self {
        static MODE: OnceLock<ClockMode> = OnceLock::new();
        let read = || Self::parse(std::env::var_os(Self::VARIABLE)?.to_str()?);
        *MODE.get_or_init(|| read().unwrap_or_default())
    }
}
