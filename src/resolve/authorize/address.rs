//! Addresses and their ranges (I7), as Go reads them: no leading zeros, no signs, host bits ignored.

use std::net::IpAddr;

/// A range of addresses. IPv4 and IPv6 never fit each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    address: IpAddr,
    bits: u8,
}

impl Block {
    /// The block of a value: an address, or one with the number of its leading bits.
    pub fn parse(value: &str) -> Option<Self> {
        let Some((address, bits)) = value.split_once('/') else {
            let address: IpAddr = value.parse().ok()?;
            return Some(Self { address, bits: width(address) });
        };
        let address: IpAddr = address.parse().ok()?;
        let is_plain =
            bits.bytes().all(|byte| byte.is_ascii_digit()) && (bits == "0" || !bits.starts_with('0'));
        let bits: u8 = bits.parse().ok().filter(|_| is_plain)?;
        (bits <= width(address)).then_some(Self { address, bits })
    }

    /// Whether all of another one is in it.
    pub fn covers(self, other: Self) -> bool {
        self.bits <= other.bits && self.contains(other.address)
    }

    /// Whether an address is in it.
    pub fn contains(self, address: IpAddr) -> bool {
        let leading =
            |difference: u128, width: u8| difference.checked_shr(u32::from(width - self.bits)) == Some(0);
        match (self.address, address) {
            // Nothing is left where no bit counts.
            (IpAddr::V4(_), IpAddr::V4(_)) | (IpAddr::V6(_), IpAddr::V6(_)) if self.bits == 0 => true,
            (IpAddr::V4(one), IpAddr::V4(other)) => leading(u128::from(one.to_bits() ^ other.to_bits()), 32),
            (IpAddr::V6(one), IpAddr::V6(other)) => leading(one.to_bits() ^ other.to_bits(), 128),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// A port, as a policy writes it: digits alone, compared as a number.
pub fn port(value: &str) -> Option<u16> {
    let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { value.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_ignore_host_bits_and_keep_families_apart() {
        let has =
            |block: &str, address: &str| Block::parse(block).unwrap().contains(address.parse().unwrap());
        assert!(has("10.1.2.3/8", "10.9.9.9") && !has("10.0.0.0/8", "11.0.0.0"));
        assert!(has("10.0.0.9", "10.0.0.9") && !has("10.0.0.9", "10.0.0.8"));
        assert!(has("0.0.0.0/0", "1.2.3.4") && !has("0.0.0.0/0", "::1") && has("::/0", "::1"));
        assert!(has("2001:db8::/32", "2001:db8:1::1") && !has("::ffff:1.2.3.4", "1.2.3.4"));
        for bad in
            ["", "bogus", "10.0.0.0/33", "10.0.0.0/08", "10.0.0.0/", "010.0.0.1", "10.0.0.0/+8", "1.2.3"]
        {
            assert_eq!(Block::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn ports_are_numbers() {
        assert_eq!((port("08080"), port("0"), port("65535")), (Some(8080), Some(0), Some(65535)));
        for bad in ["", "+80", "70000", "http", "80 ", "99999999999999999999"] {
            assert_eq!(port(bad), None, "{bad}");
        }
    }
}
