//! The networks of a mesh as its configuration describes them (`meshNetworks`, MT-4.13).

use std::net::IpAddr;

use serde_json::{Value, json};

use super::object::Note;
use super::schema;

/// The networks, in the order of their names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MeshNetworks {
    /// Each network.
    pub networks: Vec<MeshNetwork>,
    /// Whether the text cannot be read, or says what istiod refuses: it then has the networks that it had before.
    pub is_refused: bool,
}

/// A network.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MeshNetwork {
    /// Its name.
    pub name: String,
    /// `fromCidr`: ranges whose addresses are on it.
    pub ranges: Vec<Range>,
    /// `fromRegistry`: names of clusters whose endpoints are on it.
    pub registries: Vec<String>,
    /// Gateways by `address`.
    pub addresses: Vec<String>,
    /// Gateways by `registryServiceName`: hosts of Services.
    pub services: Vec<String>,
}

/// A range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    base: IpAddr,
    bits: u32,
}

impl Range {
    /// The range that a text such as `10.0.0.0/8` names.
    pub fn parse(text: &str) -> Option<Self> {
        let (base, bits) = text.split_once('/')?;
        let (base, bits) = (base.parse::<IpAddr>().ok()?, bits.parse::<u32>().ok()?);
        let most = if base.is_ipv4() { 32 } else { 128 };
        (bits <= most).then_some(Self { base, bits })
    }

    /// Whether an address is in it.
    pub fn contains(self, address: IpAddr) -> bool {
        match (self.base, address) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                let differs = u32::from(base) ^ u32::from(address);
                differs.leading_zeros() >= self.bits
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                let differs = u128::from(base) ^ u128::from(address);
                differs.leading_zeros() >= self.bits
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl MeshNetworks {
    /// Networks that cannot be read.
    pub fn refused() -> Self {
        Self { networks: Vec::new(), is_refused: true }
    }

    /// Reads the parsed text, and what is wrong with it.
    pub fn from_value(value: &Value) -> (Self, Vec<Note>) {
        let endpoint = json!({ "fromCidr": "string", "fromRegistry": "string", "*": "any" });
        let gateway = json!({ "registryServiceName": "string", "address": "string", "*": "any" });
        let network = json!({ "endpoints": [endpoint], "gateways": [gateway], "*": "any" });
        let shape = json!({ "networks": { "*": network }, "*": "any" });
        let mut notes = schema::check_shape(value, &shape, PATH);
        if !notes.is_empty() {
            return (Self::refused(), notes);
        }
        let all = value.get("networks").and_then(Value::as_object).into_iter().flatten();
        let mut networks: Vec<_> = all.map(|(name, value)| network_of(name, value, &mut notes)).collect();
        networks.sort_by(|one, two| one.name.cmp(&two.name));
        if notes.iter().any(|note| note.wrong_type) {
            return (Self::refused(), notes);
        }
        (Self { networks, is_refused: false }, notes)
    }
}

/// Where the text stands.
pub(super) const PATH: &str = "data.meshNetworks";

fn network_of(name: &str, value: &Value, notes: &mut Vec<Note>) -> MeshNetwork {
    let texts = |list: &str, key: &str| -> Vec<String> {
        let items = value.get(list).and_then(Value::as_array).into_iter().flatten();
        let texts = items.filter_map(|item| item.get(key)?.as_str()).filter(|text| !text.is_empty());
        texts.map(str::to_owned).collect()
    };
    let mut ranges = Vec::new();
    for text in texts("endpoints", "fromCidr") {
        match Range::parse(&text) {
            Some(range) => ranges.push(range),
            // istiod refuses the whole for one of them, but passes over an address without a prefix.
            None => notes.push(Note {
                field: format!("{PATH}.networks.{name}.endpoints.fromCidr"),
                problem: format!("is {text:?}, which is no range of addresses"),
                wrong_type: text.parse::<IpAddr>().is_err(),
            }),
        }
    }
    let gateways = value.get("gateways").and_then(Value::as_array).into_iter().flatten();
    let is_port = |gateway: &Value| {
        gateway.get("port").and_then(Value::as_u64).is_some_and(|port| (1..=65_535).contains(&port))
    };
    for gateway in gateways.filter(|gateway| !is_port(gateway)) {
        let port = gateway.get("port").map_or_else(|| "is missing".to_owned(), |port| format!("is {port}"));
        notes.push(Note {
            field: format!("{PATH}.networks.{name}.gateways.port"),
            problem: format!("{port}, and must be a port number from 1 to 65535"),
            wrong_type: true,
        });
    }
    MeshNetwork {
        name: name.to_owned(),
        ranges,
        registries: texts("endpoints", "fromRegistry"),
        addresses: texts("gateways", "address"),
        services: texts("gateways", "registryServiceName"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_the_addresses_of_its_prefix() {
        let has =
            |range: &str, address: &str| Range::parse(range).unwrap().contains(address.parse().unwrap());
        assert!(has("10.1.0.0/16", "10.1.255.255"));
        assert!(!has("10.1.0.0/16", "10.2.0.0"));
        // Bits behind the prefix do not count.
        assert!(has("10.1.2.3/16", "10.1.9.9"));
        assert!(has("0.0.0.0/0", "192.0.2.1") && !has("0.0.0.0/0", "2001:db8::1"));
        assert!(has("10.0.0.9/32", "10.0.0.9") && !has("10.0.0.9/32", "10.0.0.8"));
        assert!(has("2001:db8::/32", "2001:db8:1::2") && !has("2001:db8::/32", "2001:db9::"));
        for text in ["10.0.0.0", "10.0.0.0/33", "10.0.0/8", "x/8", "10.0.0.0/x", "::/129"] {
            assert_eq!(Range::parse(text), None, "{text}");
        }
    }

    #[test]
    fn one_mistake_refuses_all_networks() {
        let of = |value: Value| {
            let (networks, notes) = MeshNetworks::from_value(&value);
            (networks.networks.len(), networks.is_refused, notes.len())
        };
        let sound = json!({"endpoints": [{"fromCidr": "10.0.0.0/8"}], "gateways": [{"address": "192.0.2.1", "port": 15443}]});
        assert_eq!(of(json!({"networks": {"one": sound}})), (1, false, 0));
        assert_eq!(of(json!({"networks": {}})), (0, false, 0));
        assert_eq!(of(Value::Null), (0, false, 0));
        let address = json!({"endpoints": [{"fromCidr": "10.0.0.0"}]});
        assert_eq!(of(json!({"networks": {"one": sound, "two": address}})), (2, false, 1));
        let broken = json!({"endpoints": [{"fromCidr": "10.0.0.0/33"}]});
        assert_eq!(of(json!({"networks": {"one": sound, "two": broken}})), (0, true, 1));
        assert_eq!(of(json!({"networks": {"one": {"endpoints": "10.0.0.0/8"}}})), (0, true, 1));
        for gateway in [json!({"address": "192.0.2.1"}), json!({"address": "192.0.2.1", "port": 70_000})] {
            assert_eq!(of(json!({"networks": {"one": {"gateways": [gateway]}}})), (0, true, 1));
        }
    }
}
