//! Times of objects, in seconds since the epoch, as Kubernetes writes them.

/// The seconds since the epoch that an RFC 3339 time stamp names; `None` when it is not one.
pub fn parse(text: &str) -> Option<i64> {
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_second)
}

/// The RFC 3339 form, UTC, of seconds since the epoch.
pub fn format(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(|_| String::from("-"), |time| time.to_string())
}
