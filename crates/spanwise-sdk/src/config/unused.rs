//! Variables of the specification that have no effect here.

use super::environment::Environment;
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
