//! Addresses as lines have them: what is the port, and what stands before it.

/// The port of `IP:PORT`.
pub(super) fn port_of(address: &[u8]) -> Option<u16> {
    let (_, port) = address.split_at_checked(memchr::memrchr(b':', address)? + 1)?;
    std::str::from_utf8(port).ok()?.parse().ok().filter(|port| *port != 0)
}

/// `IP:PORT` or `[IP]:PORT` to the IP; anything else stays as it is.
#[inline(always)]
pub(super) fn without_port(address: &[u8]) -> &[u8] {
    let are_digits = |digits: &[u8]| digits.iter().all(u8::is_ascii_digit);
    // Nearly all ports have four digits or five.
    if let Some((host, [b':', port @ ..])) = address.split_last_chunk::<6>()
        && are_digits(port)
    {
        return bare(host);
    }
    if let Some((host, [b':', port @ ..])) = address.split_last_chunk::<5>()
        && are_digits(port)
    {
        return bare(host);
    }
    let port = address.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    match address.split_at_checked(address.len() - port) {
        Some(([host @ .., b':'], _)) => bare(host),
        Some(_) | None => address,
    }
}

#[inline(always)]
fn bare(host: &[u8]) -> &[u8] {
    match host {
        [b'[', host @ .., b']'] => host,
        _ => host,
    }
}
