//! Variables of the specification that have no effect here, or none beside a declarative file.

use super::environment::Environment;
#[cfg(feature = "config-file")]
use super::settings::CONFIG_FILE;
use super::settings::{Support, settings};

/// Reports each of these variables that is set, without its value: some are passwords.
pub(super) fn report(environment: &Environment) {
    // The variables of other programs are reported where they would apply.
    let of_specification = settings().iter().filter(|it| it.variable().starts_with("OTEL_"));
    for setting in of_specification {
        if let Support::WithoutEffect(reason) = setting.support {
            environment.report_unused(setting, reason);
        }
    }
}

/// Reports in one line the variables that are set and that a declarative file replaces, except those that `refers`
/// finds in it.
#[cfg(feature = "config-file")]
pub(super) fn report_replaced(environment: &Environment, refers: impl Fn(&str) -> bool) {
    let of_traces = settings()
        .iter()
        .filter(|it| !matches!(it.support, Support::OtherSignal | Support::OptIn(_)));
    let names = of_traces.flat_map(|it| it.variables).filter(|name| {
        name.starts_with("OTEL_") && !CONFIG_FILE.variables.contains(name) && !refers(name)
    });
    let mut set: Vec<&'static str> = Vec::new();
    for &name in names {
        // Some variables set several settings.
        if environment.has(name) && !set.contains(&name) {
            set.push(name);
        }
    }
    let Some((first, others)) = set.split_first() else { return };
    let mut reason = String::from("the configuration file replaces the OTEL_* variables");
    for (index, name) in others.iter().take(MAX_NAMES).enumerate() {
        reason += if index == 0 { ", also " } else { ", " };
        reason += name;
    }
    if let Some(more) = others.len().checked_sub(MAX_NAMES).filter(|more| *more > 0) {
        reason += &format!(" and {more} more");
    }
    environment.unused(first, reason + REFER);
}

/// Variables of a line, beside the first.
#[cfg(feature = "config-file")]
const MAX_NAMES: usize = 15;
#[cfg(feature = "config-file")]
const REFER: &str = "; they count where it has them as ${NAME}";
