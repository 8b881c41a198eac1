//! [`Origin`]: the place that set a value.

use std::fmt;

/// The place that set a value: `Display` prints it in words.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// The code of the program.
    Code {
        /// The method of the builder.
        method: &'static str,
    },
    /// A variable of the environment.
    Variable {
        /// Its name.
        name: &'static str,
    },
    /// The declarative file.
    File {
        /// The path of the file.
        path: String,
        /// The line of the field, from 1.
        line: usize,
        /// The keys that lead to the field, such as `tracer_provider.processors[0].batch`.
        field: String,
        /// The variables that the field refers to, whose values or defaults took the places of `${…}`.
        variables: Vec<String>,
    },
    /// The limit of the container, that of its control group, which reduced the default.
    ContainerLimit,
    /// No place set it: the default of the provider, or with a file that of the file's schema.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code { method } => write!(f, "code: {method}"),
            Self::Variable { name } => write!(f, "variable: {name}"),
            Self::File { path, line, field, variables } => {
                write!(f, "{path}:{line}: {field}")?;
                for (index, name) in variables.iter().enumerate() {
                    write!(f, "{}{name}", if index == 0 { ", by " } else { " and " })?;
                }
                Ok(())
            }
            Self::ContainerLimit => f.write_str("container limit"),
            Self::Default => f.write_str("default"),
        }
    }
}
