//! [`Directives`]: a filter from the text of `RUST_LOG`.

use tracing_subscriber::filter::{Directive, EnvFilter, LevelFilter, Targets};

/// A filter of spans and events.
pub(super) enum Directives {
    /// Levels by target. It costs nothing at the enter, exit and close of a span, where an `EnvFilter` takes a lock.
    Levels(Targets),
    /// With directives that name spans or fields.
    Fields(Box<EnvFilter>),
}

impl Default for Directives {
    fn default() -> Self {
        Self::Levels(Targets::new().with_default(LevelFilter::INFO))
    }
}

/// A mistake that `init` reports, and does not fail for.
pub(super) enum Reported {
    Directive {
        setting: &'static str,
        directive: String,
    },
    /// The program has a logger of the crate `log`.
    Logger,
}

/// Reads the directives of a text, separated by commas: those that are valid as a filter, unless there are none, and the others.
pub(super) fn parse(text: &str) -> (Option<Directives>, Vec<String>) {
    let directives = text.split(',').map(str::trim).filter(|directive| !directive.is_empty());
    let (valid, invalid): (Vec<_>, Vec<_>) =
        directives.partition(|directive| directive.parse::<Directive>().is_ok());
    let invalid = invalid.into_iter().map(str::to_owned).collect();
    if valid.is_empty() {
        return (None, invalid);
    }
    let text = valid.join(",");
    let levels = if text.contains('[') { None } else { text.parse::<Targets>().ok() };
    let directives = match levels {
        Some(levels) => Directives::Levels(levels),
        None => Directives::Fields(Box::new(EnvFilter::builder().parse_lossy(text))),
    };
    (Some(directives), invalid)
}

pub(super) const ACCEPTED: &str = "`level`, `target=level` and `target[span{field=value}]=level`, separated by commas, with the levels off, \
     error, warn, info, debug and trace";

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
mod tests {
    use super::*;

    fn shown(text: &str) -> (String, Vec<String>) {
        let (directives, invalid) = parse(text);
        let shown = match directives {
            None => "none".to_owned(),
            Some(Directives::Levels(levels)) => format!("levels {levels}"),
            Some(Directives::Fields(filter)) => format!("fields {filter}"),
        };
        (shown, invalid)
    }

    #[test]
    fn an_invalid_directive_is_returned_and_the_others_apply() {
        let invalid = |text: &str| vec![text.to_owned()];
        assert_eq!(shown(""), ("none".to_owned(), vec![]));
        assert_eq!(shown(" , "), ("none".to_owned(), vec![]));
        assert_eq!(shown("info"), ("levels info".to_owned(), vec![]));
        assert_eq!(shown("shop=loud"), ("none".to_owned(), invalid("shop=loud")));
        assert_eq!(shown("warn, shop=loud").1, invalid("shop=loud"));
        assert_eq!(shown("warn, shop=loud").0, "levels warn");
        assert_eq!(shown("shop[order]=debug").0, "fields shop[order]=debug");
    }

    /// The oracle is `EnvFilter` itself, which reads the same text.
    #[test]
    fn levels_are_those_of_an_env_filter() {
        for text in [
            "info",
            "INFO",
            "3",
            "off",
            "shop",
            "shop=debug",
            "warn,shop=debug,shop::db=off",
            "shop=debug,warn",
            "shop=off",
            "shop::db=trace,shop=error",
        ] {
            let Some(Directives::Levels(levels)) = parse(text).0 else {
                unreachable!("{text} has no fields")
            };
            let filter: EnvFilter = EnvFilter::builder().parse(text).unwrap();
            assert_eq!(levels_by_target(levels), levels_by_target(filter), "{text}");
        }
    }

    /// The events that a filter lets through.
    fn levels_by_target(
        filter: impl tracing_subscriber::Layer<tracing_subscriber::Registry> + Send + Sync,
    ) -> Vec<bool> {
        use tracing_subscriber::layer::SubscriberExt as _;
        let subscriber = tracing_subscriber::registry().with(filter);
        let mut enabled = Vec::new();
        tracing::subscriber::with_default(subscriber, || {
            macro_rules! each {
                ($($target:literal)*) => {$(
                    enabled.push(tracing::enabled!(target: $target, tracing::Level::ERROR));
                    enabled.push(tracing::enabled!(target: $target, tracing::Level::WARN));
                    enabled.push(tracing::enabled!(target: $target, tracing::Level::INFO));
                    enabled.push(tracing::enabled!(target: $target, tracing::Level::DEBUG));
                    enabled.push(tracing::enabled!(target: $target, tracing::Level::TRACE));
                )*};
            }
            each!["shop" "shop::db" "shop::db::pool" "shopping" "hyper"];
        });
        enabled
    }
}
