//! `VirtualService`, reduced to what it brings into a proxy's scope and to the subsets it names.

use super::Text;

/// A `VirtualService`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualService {
    /// `hosts` as written.
    pub hosts: Vec<Text>,
    /// `gateways`; none means the mesh's sidecars.
    pub gateways: Vec<Text>,
    /// `exportTo` as written.
    pub export_to: Vec<Text>,
    /// Where its routes and mirrors lead.
    pub destinations: Vec<Destination>,
}

/// Where a route leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// The host as written.
    pub host: Text,
    /// The port's number, where one is named.
    pub port: Option<u16>,
    /// The subset, where one is named.
    pub subset: Option<Text>,
    /// Namespaces that the route's matches name; not empty means that it counts for these only (DR-7.14).
    pub only_from: Vec<Text>,
}

impl VirtualService {
    /// Whether sidecars take notice of it.
    pub fn is_for_mesh(&self) -> bool {
        self.gateways.is_empty() || self.gateways.iter().any(|gateway| &**gateway == "mesh")
    }
}
