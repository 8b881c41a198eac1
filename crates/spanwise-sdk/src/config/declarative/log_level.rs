//! `log_level`: one of the specification's severity numbers, by its short name.

use crate::diagnostics::LogLevel;
use spanwise_config::Field;

pub(super) fn read(field: &Field<'_>) -> Option<LogLevel> {
    field.choice(LEVELS)
}

const LEVELS: &[(&str, LogLevel)] = &[
    // No diagnostic is less severe than `debug`.
    ("trace", LogLevel::Debug),
    ("trace2", LogLevel::Debug),
    ("trace3", LogLevel::Debug),
    ("trace4", LogLevel::Debug),
    ("debug", LogLevel::Debug),
    // A level between two names prints those above it.
    ("debug2", LogLevel::Info),
    ("debug3", LogLevel::Info),
    ("debug4", LogLevel::Info),
    ("info", LogLevel::Info),
    ("info2", LogLevel::Warn),
    ("info3", LogLevel::Warn),
    ("info4", LogLevel::Warn),
    ("warn", LogLevel::Warn),
    ("warn2", LogLevel::Error),
    ("warn3", LogLevel::Error),
    ("warn4", LogLevel::Error),
    ("error", LogLevel::Error),
    ("error2", LogLevel::Fatal),
    ("error3", LogLevel::Fatal),
    ("error4", LogLevel::Fatal),
    ("fatal", LogLevel::Fatal),
    ("fatal2", LogLevel::Fatal),
    ("fatal3", LogLevel::Fatal),
    ("fatal4", LogLevel::Fatal),
];
