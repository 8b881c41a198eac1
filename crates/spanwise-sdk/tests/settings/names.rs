//! Names of variables: each one of the table is accepted, and another one is answered with the table's text.

use crate::with;
use spanwise_sdk::settings::{Explanation, Origin, Setting, SettingType, Support, settings};

/// The settings whose values are names, with these names.
fn with_names() -> impl Iterator<Item = (&'static Setting, &'static [&'static str])> {
    let supported = settings().iter().filter(|it| it.support == Support::Supported);
    supported.filter_map(|setting| match setting.kind {
        SettingType::Name(names) | SettingType::Names(names) => Some((setting, names)),
        _ => None,
    })
}

/// The explanation, or the text of the error.
fn explained(variable: &str, value: &str) -> Result<Explanation, String> {
    with(&[(variable, value)]).explain().map_err(|error| error.to_string())
}

/// The reports about `variable`, or the error: both state the value and what is accepted.
fn problem(variable: &str, value: &str) -> Option<String> {
    match explained(variable, value) {
        Err(error) => Some(error),
        Ok(explanation) => {
            let reports = explanation.reports().iter().map(ToString::to_string);
            let own: Vec<_> = reports.filter(|report| report.starts_with(variable)).collect();
            (!own.is_empty()).then(|| own.join("\n"))
        }
    }
}

#[test]
fn each_name_of_the_table_is_accepted_in_any_case() {
    let mut seen = 0;
    for (setting, names) in with_names() {
        for &variable in setting.variables {
            for name in names.iter().flat_map(|name| [name.to_string(), name.to_uppercase()]) {
                seen += 1;
                if let Some(problem) = problem(variable, &name) {
                    // It is known, but not compiled in.
                    assert!(problem.contains("features = ["), "{variable}={name}: {problem}");
                    continue;
                }
                let explanation = explained(variable, &name).unwrap();
                let row = explanation.iter().find(|row| row.setting == *setting).unwrap();
                assert_eq!(row.origin, Origin::Variable { name: variable }, "{row}");
            }
        }
    }
    assert!(seen >= 60, "only {seen} names");
}

#[test]
fn a_name_that_the_table_lacks_is_answered_with_its_text() {
    let mut seen = 0;
    for (setting, names) in with_names() {
        for &variable in setting.variables {
            // The first name with a letter more is no other name of the setting.
            for wrong in [format!("{}x", names[0]), "nonsense".to_owned()] {
                seen += 1;
                let problem = problem(variable, &wrong).unwrap_or_default();
                let start = format!("{variable}=`{wrong}`");
                assert!(problem.starts_with(&start), "{start}: {problem}");
                let accepted = setting.kind.accepted();
                assert!(problem.contains(&accepted), "{problem} lacks {accepted}");
            }
        }
    }
    assert!(seen >= 20, "only {seen} names");
}
