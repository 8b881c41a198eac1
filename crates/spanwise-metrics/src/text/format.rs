//! The two formats, and the choice of one by a request's `Accept` header.

/// A text exposition that Prometheus scrapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum TextFormat {
    /// Prometheus text 0.0.4: every scraper reads it; it has no exemplars.
    #[default]
    Prometheus,
    /// OpenMetrics text 1.0: with exemplars and units.
    OpenMetrics,
}

impl TextFormat {
    /// The format for the value of an `Accept` header (RFC 9110, section 12.5.1): OpenMetrics 1.0 if the header names it with a quality
    /// not below that of plain text, else Prometheus.
    ///
    /// Without the parameter `version`, the name stands for 1.0. A header with nothing that is served gets Prometheus too, which the
    /// RFC permits: a scraper rather has text it did not ask for than none.
    ///
    /// ```
    /// use spanwise_metrics::TextFormat;
    ///
    /// let of_prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
    /// assert_eq!(TextFormat::negotiate(of_prometheus), TextFormat::OpenMetrics);
    /// assert_eq!(TextFormat::negotiate("*/*"), TextFormat::Prometheus);
    /// ```
    pub fn negotiate(accept: &str) -> Self {
        let (mut plain, mut open) = (0.0_f64, 0.0_f64);
        for range in split(accept, b',') {
            let Some((media, quality)) = served(&range) else { continue };
            match media {
                Self::Prometheus => plain = plain.max(quality),
                Self::OpenMetrics => open = open.max(quality),
            }
        }
        if open > 0.0 && open >= plain { Self::OpenMetrics } else { Self::Prometheus }
    }

    /// The value of the response's `Content-Type` header.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// The format that a media range names, with its quality; a wildcard names none.
fn served(range: &str) -> Option<(TextFormat, f64)> {
    let mut parts = split(range, b';').into_iter();
    let media = parts.next()?;
    let format = if media.eq_ignore_ascii_case("application/openmetrics-text") {
        TextFormat::OpenMetrics
    } else if media.eq_ignore_ascii_case("text/plain") {
        TextFormat::Prometheus
    } else {
        return None;
    };
    let mut quality = 1.0;
    for parameter in parts {
        let (name, value) = parameter.split_once('=')?;
        let (name, value) = (name.trim(), value.trim().trim_matches('"'));
        if name.eq_ignore_ascii_case("q") {
            quality = value.parse().ok().filter(|quality| (0.0..=1.0).contains(quality))?;
        } else if name.eq_ignore_ascii_case("version")
            && format == TextFormat::OpenMetrics
            && value != "1.0.0"
        {
            return None;
        }
    }
    Some((format, quality))
}

/// The parts between separators outside of quotes, without the spaces around them.
fn split(text: &str, separator: u8) -> Vec<String> {
    let mut is_quoted = false;
    let parts = text.split(|character: char| {
        is_quoted ^= character == '"';
        !is_quoted && character == char::from(separator)
    });
    parts.map(|part| part.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::TextFormat::{self, OpenMetrics, Prometheus};

    #[test]
    fn the_format_is_the_one_that_the_header_prefers() {
        let check =
            |accept, expected| assert_eq!(TextFormat::negotiate(accept), expected, "{accept}");
        check("", Prometheus);
        check("*/*", Prometheus);
        check("text/html, application/xhtml+xml;q=0.9", Prometheus);
        check("text/plain", Prometheus);
        check("application/openmetrics-text", OpenMetrics);
        check("Application/OpenMetrics-Text ; Version = \"1.0.0\" ; Q=0.1", OpenMetrics);
        check("application/openmetrics-text;version=0.0.1", Prometheus);
        check("application/openmetrics-text;version=1.0.0;q=0", Prometheus);
        check("application/openmetrics-text;q=0.3,text/plain;q=0.4", Prometheus);
        check("text/plain;q=0.3,application/openmetrics-text;q=0.3", OpenMetrics);
        check("application/openmetrics-text;q=2,*/*", Prometheus);
        check("application/openmetrics-text;note=\"a,b;c\";q=0.3", OpenMetrics);
        // Prometheus 2.x and 3.x.
        check(
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
             text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            OpenMetrics,
        );
        check(
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
             application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
             text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            OpenMetrics,
        );
    }
}
