//! Envoy's response flags: the short words (`UC`, `URX,UF`) in which a proxy says what it saw go wrong.
//!
//! The order in which Envoy writes the flags of one line is not fixed: HTTP lines say `URX,UF`, TCP lines `UF,URX`.
//! So they are kept as a set. What a flag means for a diagnosis depends on the rest of the line and is not decided
//! here.
//!
//! See <https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage#response-flags>.

use std::fmt;

/// One response flag: Envoy's short name and what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResponseFlag {
    /// The name as it stands in a log line.
    pub short: &'static str,
    /// What the flag says, in one sentence.
    pub meaning: &'static str,
}

const fn flag(short: &'static str, meaning: &'static str) -> ResponseFlag {
    ResponseFlag { short, meaning }
}

/// Every flag that Envoy has, in the order of its own enumeration (`CoreResponseFlag`).
pub const RESPONSE_FLAGS: [ResponseFlag; 30] = [
    flag("LH", "The proxy answered a health check itself, because it is marked as failing."),
    flag("UH", "No endpoint of the upstream cluster was healthy."),
    flag("UT", "The upstream did not answer within the timeout of the route."),
    flag("LR", "This proxy reset the stream to the upstream."),
    flag("UR", "The upstream reset the stream or connection."),
    flag("UF", "No connection to the upstream could be made, or its TLS handshake failed."),
    flag("UC", "The upstream closed the connection while a request was waiting for its answer."),
    flag("UO", "A circuit breaker refused the request, because too much was under way already."),
    flag("NR", "No route matched the request, or no filter chain matched the connection."),
    flag("DI", "A configured fault delayed the request."),
    flag("FI", "A configured fault answered in place of the upstream."),
    flag("RL", "A local or global rate limit refused the request."),
    flag("UAEX", "An external authorizer refused the request, or could not be asked."),
    flag("RLSE", "The rate limit service could not be asked."),
    flag("DC", "The caller closed its connection before the answer was complete."),
    flag("URX", "All attempts that the retry policy or the connect limit allows were used up."),
    flag("SI", "Nothing moved on the stream for as long as the idle timeout allows."),
    flag("IH", "An Envoy header of the request had a value that strict checking refuses."),
    flag("DPE", "The caller sent something that is not valid HTTP."),
    flag("UMSDR", "The stream to the upstream reached the longest duration that is allowed."),
    flag("RFCF", "The answer came out of the cache of this proxy."),
    flag("NFCF", "The request arrived before the configuration of a filter did."),
    flag("DT", "The request or connection reached the longest duration that is allowed."),
    flag("UPE", "The upstream answered with something that is not valid HTTP."),
    flag("NC", "The route names an upstream cluster that this proxy does not have."),
    flag("OM", "The overload manager ended the request to save resources."),
    flag("DF", "The name of the upstream could not be resolved."),
    flag("DO", "The request was shed, because the endpoint assignment asks to drop a share of the load."),
    flag("DR", "The caller reset its stream."),
    flag("UDO", "The request was shed, because the endpoint assignment asks to drop all load."),
];

/// The flag of that short name.
pub fn response_flag(short: &str) -> Option<&'static ResponseFlag> {
    RESPONSE_FLAGS.iter().find(|flag| flag.short == short)
}

/// A set of response flags.
///
/// Flags that this program does not know (an extension may register its own) are counted, and two sets with the
/// same known flags and a different number of unknown ones are different.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlagSet {
    bits: u32,
    unknown: u8,
}

impl FlagSet {
    /// Connection failure: `UF`.
    pub const UF: Self = Self { bits: 1 << 5, unknown: 0 };
    /// Connection termination: `UC`.
    pub const UC: Self = Self { bits: 1 << 6, unknown: 0 };
    /// No route or no filter chain: `NR`.
    pub const NR: Self = Self { bits: 1 << 8, unknown: 0 };
    /// An external authorizer refused.
    pub const UAEX: Self = Self { bits: 1 << 12, unknown: 0 };
    /// What came is not valid HTTP.
    pub const DPE: Self = Self { bits: 1 << 18, unknown: 0 };

    /// Reads the field as Envoy writes it: names with commas between, or `-` for none.
    pub fn parse(field: &[u8]) -> Self {
        let mut set = Self::default();
        if matches!(field, b"-" | b"") {
            return set;
        }
        for name in field.split(|&byte| byte == b',') {
            match bit_of(name) {
                Some(bit) => set.bits |= 1 << bit,
                None => set.unknown = set.unknown.saturating_add(1),
            }
        }
        set
    }

    /// Reads the field as `%RESPONSE_FLAGS_LONG%` writes it: `UpstreamConnectionTermination`.
    pub fn parse_long(field: &[u8]) -> Self {
        let mut set = Self::default();
        if matches!(field, b"-" | b"") {
            return set;
        }
        for name in field.split(|&byte| byte == b',') {
            match LONG_NAMES.iter().position(|long| long.as_bytes() == name) {
                Some(bit) => set.bits |= 1 << bit,
                None => set.unknown = set.unknown.saturating_add(1),
            }
        }
        set
    }

    /// No flag at all.
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// All known flags of `other` are in this set.
    pub fn contains(self, other: Self) -> bool {
        self.bits & other.bits == other.bits
    }

    /// The flag of that short name is in this set.
    pub fn has(self, short: &str) -> bool {
        bit_of(short.as_bytes()).is_some_and(|bit| self.bits & (1 << bit) != 0)
    }

    /// How many flags were not known.
    pub fn unknown(self) -> u8 {
        self.unknown
    }

    /// The known flags, in Envoy's order.
    pub fn iter(self) -> impl Iterator<Item = &'static ResponseFlag> {
        RESPONSE_FLAGS
            .iter()
            .enumerate()
            .filter(move |(bit, _)| self.bits & (1 << bit) != 0)
            .map(|(_, flag)| flag)
    }

    /// The known flags as one number, for hashing.
    pub(crate) fn as_u64(self) -> u64 {
        u64::from(self.bits) << 8 | u64::from(self.unknown)
    }
}

/// The short names with commas between, in Envoy's order; `-` for none; a `?` for each unknown flag.
impl fmt::Display for FlagSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("-");
        }
        let unknown = (0..self.unknown).map(|_| "?");
        for (index, name) in self.iter().map(|flag| flag.short).chain(unknown).enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            f.write_str(name)?;
        }
        Ok(())
    }
}

/// The long names of [`RESPONSE_FLAGS`], in the same order.
const LONG_NAMES: [&str; RESPONSE_FLAGS.len()] = [
    "FailedLocalHealthCheck",
    "NoHealthyUpstream",
    "UpstreamRequestTimeout",
    "LocalReset",
    "UpstreamRemoteReset",
    "UpstreamConnectionFailure",
    "UpstreamConnectionTermination",
    "UpstreamOverflow",
    "NoRouteFound",
    "DelayInjected",
    "FaultInjected",
    "RateLimited",
    "UnauthorizedExternalService",
    "RateLimitServiceError",
    "DownstreamConnectionTermination",
    "UpstreamRetryLimitExceeded",
    "StreamIdleTimeout",
    "InvalidEnvoyRequestHeaders",
    "DownstreamProtocolError",
    "UpstreamMaxStreamDurationReached",
    "ResponseFromCacheFilter",
    "NoFilterConfigFound",
    "DurationTimeout",
    "UpstreamProtocolError",
    "NoClusterFound",
    "OverloadManagerTerminated",
    "DnsResolutionFailed",
    "DropOverload",
    "DownstreamRemoteReset",
    "UnconditionalDropOverload",
];

/// The place in [`RESPONSE_FLAGS`], written out because every line with a flag asks for it.
fn bit_of(name: &[u8]) -> Option<usize> {
    Some(match name {
        b"LH" => 0,
        b"UH" => 1,
        b"UT" => 2,
        b"LR" => 3,
        b"UR" => 4,
        b"UF" => 5,
        b"UC" => 6,
        b"UO" => 7,
        b"NR" => 8,
        b"DI" => 9,
        b"FI" => 10,
        b"RL" => 11,
        b"UAEX" => 12,
        b"RLSE" => 13,
        b"DC" => 14,
        b"URX" => 15,
        b"SI" => 16,
        b"IH" => 17,
        b"DPE" => 18,
        b"UMSDR" => 19,
        b"RFCF" => 20,
        b"NFCF" => 21,
        b"DT" => 22,
        b"UPE" => 23,
        b"NC" => 24,
        b"OM" => 25,
        b"DF" => 26,
        b"DO" => 27,
        b"DR" => 28,
        b"UDO" => 29,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_repetition_do_not_count() {
        assert_eq!(FlagSet::parse(b"URX,UF"), FlagSet::parse(b"UF,URX"));
        assert_eq!(FlagSet::parse(b"UF,UF"), FlagSet::UF);
        assert_eq!(FlagSet::parse(b"URX,UF").to_string(), "UF,URX");
        assert_eq!(FlagSet::parse(b"FI,DI").iter().map(|flag| flag.short).collect::<Vec<_>>(), ["DI", "FI"]);
    }

    #[test]
    fn a_dash_is_no_flag() {
        assert!(FlagSet::parse(b"-").is_empty());
        assert_eq!(FlagSet::parse(b"-").to_string(), "-");
    }

    #[test]
    fn unknown_flags_are_counted() {
        let set = FlagSet::parse(b"UC,XYZ,ABC");
        assert_eq!((set.unknown(), set.to_string().as_str()), (2, "UC,?,?"));
        assert!(set.contains(FlagSet::UC) && !set.contains(FlagSet::UF));
        assert_ne!(set, FlagSet::UC);
        assert!(!set.is_empty());
    }

    #[test]
    fn long_names_are_those_of_the_short_ones() {
        let read = |text: &str| FlagSet::parse_long(text.as_bytes()).to_string();
        assert_eq!(read("UpstreamConnectionFailure,UpstreamRetryLimitExceeded"), "UF,URX");
        assert_eq!(read("NoRouteFound"), "NR");
        assert_eq!(read("UnconditionalDropOverload,UC"), "UDO,?");
        assert_eq!(read("-"), "-");
    }

    #[test]
    fn every_flag_is_read_back_and_the_constants_are_right() {
        for flag in &RESPONSE_FLAGS {
            let set = FlagSet::parse(flag.short.as_bytes());
            assert_eq!(set.to_string(), flag.short);
            assert!(set.has(flag.short));
            assert_eq!(response_flag(flag.short), Some(flag));
        }
        assert_eq!(FlagSet::UF.to_string(), "UF");
        assert_eq!(FlagSet::UC.to_string(), "UC");
        assert_eq!(FlagSet::NR.to_string(), "NR");
    }
}
