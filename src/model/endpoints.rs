//! Endpoint slices, and the older `Endpoints` objects read as slices.

use super::Text;

/// Addresses behind a service.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EndpointSlice {
    /// The service's name, in the slice's namespace.
    pub service: Text,
    /// The subsets of addresses with their ports. A slice has one, an `Endpoints` object any number.
    pub groups: Vec<EndpointGroup>,
}

/// Addresses that share ports.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EndpointGroup {
    /// Ports: name (empty when it has none) and number.
    pub ports: Vec<(Text, u16)>,
    /// The addresses.
    pub addresses: Vec<EndpointAddress>,
}

/// One address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointAddress {
    /// The IP address as written.
    pub address: Text,
    /// The pod it belongs to, in the slice's namespace, where `targetRef` names one.
    pub pod: Option<Text>,
    /// Whether it is ready. Endpoints that are not are endpoints too (MT-3.6).
    pub ready: bool,
}
