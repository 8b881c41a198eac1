//! The errors of a build.

/// A rule is wrong. `index` counts from 0.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedactError {
    /// The pattern of a value or key does not compile.
    #[error("rule {index} ({name}): pattern {pattern:?}: {message}")]
    Pattern {
        /// Index of the rule.
        index: usize,
        /// Name of the rule.
        name: String,
        /// The first 80 characters of the pattern.
        pattern: String,
        /// The problem.
        message: String,
    },
    /// The parts of a rule do not fit together.
    #[error("rule {index} ({name}): {message}")]
    Rule {
        /// Index of the rule.
        index: usize,
        /// Name of the rule.
        name: String,
        /// The problem, with what is accepted.
        message: String,
    },
    /// There are too many rules.
    #[error("{rules} rules: at most {} are accepted", RedactError::MAX_RULES)]
    TooManyRules {
        /// Their number, those of presets included.
        rules: usize,
    },
    /// The rules have too many key patterns.
    #[error(
        "rule {index} ({name}): at most {} key patterns are accepted in all rules",
        RedactError::MAX_KEY_PATTERNS
    )]
    TooManyKeyPatterns {
        /// Index of the rule that exceeds the limit.
        index: usize,
        /// Name of the rule.
        name: String,
    },
    /// The hash key is too short.
    #[error("hash key of {bytes} bytes: at least {} are accepted", RedactError::MIN_HASH_KEY)]
    HashKey {
        /// Its length in bytes.
        bytes: usize,
    },
}

impl RedactError {
    /// The most rules of a redactor, those of presets included.
    pub const MAX_RULES: usize = 128;
    /// The most key patterns of a redactor, those of presets included.
    pub const MAX_KEY_PATTERNS: usize = 1_024;
    /// The fewest bytes of a hash key.
    pub const MIN_HASH_KEY: usize = 16;
}
