//! `Fn::Cidr`: equal blocks cut from an address range.

use std::net::IpAddr;

/// Blocks that one call may cut: the service's own limit.
const BLOCKS_MAX: u32 = 256;

/// `count` blocks of `bits` host bits each, from the start of `block`.
pub(super) fn cidr(block: &str, count: &str, bits: Option<&str>) -> Result<Vec<String>, String> {
    let usage = || format!("Fn::Cidr takes an address block such as 10.0.0.0/16; {block} is none");
    let (address, prefix) = block.trim().split_once('/').ok_or_else(usage)?;
    let address: IpAddr = address.parse().map_err(|_| usage())?;
    let (width, start) = match address {
        IpAddr::V4(address) => (32_u32, u128::from(u32::from(address))),
        IpAddr::V6(address) => (128, u128::from(address)),
    };
    let prefix: u32 = prefix.parse().ok().filter(|prefix| *prefix <= width).ok_or_else(usage)?;
    let count: u32 =
        count.trim().parse().ok().filter(|count| (1..=BLOCKS_MAX).contains(count)).ok_or_else(|| {
            format!("Fn::Cidr takes a number of blocks from 1 to {BLOCKS_MAX}; {count} is none")
        })?;
    let bits: u32 = match bits {
        // IPv6 blocks have no default on the service either, but 64 is what subnets take.
        None => {
            if width == 32 {
                8
            } else {
                64
            }
        }
        Some(bits) => bits
            .trim()
            .parse()
            .ok()
            .filter(|bits| (1..=width).contains(bits))
            .ok_or_else(|| format!("Fn::Cidr takes host bits from 1 to {width}; {bits} are none"))?,
    };
    let room = (width - prefix).checked_sub(bits).map(|bits| 1_u128.checked_shl(bits).unwrap_or(u128::MAX));
    if room.is_none_or(|room| room < u128::from(count)) {
        return Err(format!("{block} has no room for {count} blocks of {bits} bits"));
    }
    let step = 1_u128.checked_shl(bits).unwrap_or(0);
    let first = if prefix == 0 { 0 } else { start >> (width - prefix) << (width - prefix) };
    let text = |n: u32| {
        let address = first + step * u128::from(n);
        let address = match width {
            32 => IpAddr::V4(u32::try_from(address).unwrap_or(u32::MAX).into()),
            _ => IpAddr::V6(address.into()),
        };
        format!("{address}/{}", width - bits)
    };
    Ok((0..count).map(text).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks() {
        assert_eq!(cidr("10.0.0.0/16", "3", None).unwrap(), ["10.0.0.0/24", "10.0.1.0/24", "10.0.2.0/24"]);
        assert_eq!(cidr("192.168.0.7/24", "2", Some("5")).unwrap(), ["192.168.0.0/27", "192.168.0.32/27"]);
        assert_eq!(cidr("fd00::/48", "2", None).unwrap(), ["fd00::/64", "fd00:0:0:1::/64"]);
        assert_eq!(cidr("0.0.0.0/0", "1", Some("32")).unwrap(), ["0.0.0.0/0"]);
        assert_eq!(cidr("::/0", "1", Some("128")).unwrap(), ["::/0"]);
    }

    #[test]
    fn refused() {
        for (block, count, bits, sentence) in [
            ("10.0.0.0", "1", None, "takes an address block"),
            ("10.0.0.0/33", "1", None, "takes an address block"),
            ("x/1", "1", None, "takes an address block"),
            ("10.0.0.0/16", "0", None, "takes a number of blocks from 1 to 256"),
            ("10.0.0.0/16", "99999999999999999999", None, "takes a number of blocks"),
            ("10.0.0.0/16", "1", Some("33"), "takes host bits from 1 to 32"),
            ("10.0.0.0/30", "1", None, "has no room for 1 blocks of 8 bits"),
            ("10.0.0.0/24", "2", None, "has no room for 2 blocks of 8 bits"),
        ] {
            let found = cidr(block, count, bits).unwrap_err();
            assert!(found.contains(sentence), "{found}");
        }
    }
}
