//! The check of the levels in `RUST_LOG`; it leaves out the targets.

use spanwise::{CheckStatus, DoctorCheck, VisibleFrom};

/// A check of `RUST_LOG`; `None` if it is not set.
pub fn check(filter: Option<&str>) -> Option<DoctorCheck> {
    let filter = filter.map(str::trim).filter(|filter| !filter.is_empty())?;
    let directives = filter.split(',').map(str::trim).filter(|directive| !directive.is_empty());
    let levels: Vec<_> = directives.map(level).collect();
    let check = |status, finding: String| {
        DoctorCheck::new("tracing", status, VisibleFrom::Outside, finding)
    };
    let warned = |finding: &str| {
        check(CheckStatus::Warning, finding.to_owned())
            .with_fix("set RUST_LOG=info, or a directive for the crates whose spans are wanted")
    };
    Some(match levels.iter().max() {
        None | Some(Level::Off) => warned(
            "RUST_LOG lets nothing through: an EnvFilter in front of the layer drops all spans",
        ),
        Some(Level::Quiet) => warned(
            "RUST_LOG lets only warnings and errors through, and `#[instrument]` makes spans of INFO",
        ),
        Some(Level::Spans) => {
            check(CheckStatus::Passed, "RUST_LOG lets spans of INFO through".to_owned())
        }
    })
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Off,
    Quiet,
    /// INFO and below.
    Spans,
}

/// The level of one directive, `target[span]=level`, `level` or `target`, which is the most verbose level.
fn level(directive: &str) -> Level {
    let text = directive.rsplit_once('=').map_or(directive, |(_, level)| level);
    match &*text.to_ascii_lowercase() {
        "off" | "0" => Level::Off,
        "error" | "warn" | "1" | "2" => Level::Quiet,
        _ => Level::Spans,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
    use super::*;

    #[test]
    fn the_most_verbose_directive_counts() {
        let status = |filter| check(Some(filter)).map(|check| check.status());
        assert_eq!(check(None), None);
        assert_eq!(status(" "), None);
        for quiet in ["off", "warn", "ERROR", "shop=warn,hyper=off", "0"] {
            assert_eq!(status(quiet), Some(CheckStatus::Warning), "{quiet}");
        }
        for loud in ["info", "warn,shop=debug", "shop", "shop[checkout]=trace"] {
            assert_eq!(status(loud), Some(CheckStatus::Passed), "{loud}");
        }
        let off = check(Some("off")).unwrap();
        assert!(off.finding().starts_with("RUST_LOG lets nothing through"), "{off}");
    }
}
