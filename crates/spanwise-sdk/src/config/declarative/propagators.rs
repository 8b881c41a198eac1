//! `propagator`.

use crate::propagation::Propagator;
use spanwise_config::Field;

/// The propagators of `composite`, then those of `composite_list`; `None` if the file has none of both.
pub(super) fn read(field: &Field<'_>) -> Option<Vec<Propagator>> {
    let propagator = field.mapping(&["composite", "composite_list"]);
    let (listed, list) = (propagator.get("composite"), propagator.get("composite_list"));
    if !listed.has_value() && !list.has_value() {
        return None;
    }
    let mut propagators = Vec::new();
    for field in listed.sequence() {
        if let Some((name, field)) = field.kind(NAMES) {
            propagators.extend(known(name, &field));
        }
    }
    for name in list.string().unwrap_or_default().split(',').map(str::trim) {
        match name {
            "" | "none" => {}
            name if NAMES.contains(&name) => propagators.extend(known(name, &list)),
            _ => list.error(format!(
                "an unknown propagator; accepted is a list of {}",
                NAMES.join(", ")
            )),
        }
    }
    Some(propagators)
}

/// Warns of a propagator that there is not, as the environment's list does.
fn known(name: &str, field: &Field<'_>) -> Option<Propagator> {
    let found = Propagator::ALL.into_iter().find(|propagator| propagator.name() == name);
    if found.is_none() {
        field.warning(format!(
            "the propagator {name} is not supported; tracecontext and baggage are"
        ));
    }
    found
}

const NAMES: &[&str] = &["tracecontext", "baggage", "b3", "b3multi", "jaeger", "ottrace", "xray"];
