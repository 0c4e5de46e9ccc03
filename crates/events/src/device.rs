//! The rule that names devices, and so topics of the store and the reference app: one place for its characters and length.

/// Characters of a device id.
pub const DEVICE_ID_CHARS_MAX: usize = 128;

/// Whether `id` has 1 to [`DEVICE_ID_CHARS_MAX`] characters of `A-Z a-z 0-9 _ : . -`, which the IoT service allows in a thing's
/// name, with a dot besides. None is special in an MQTT topic or in a key of the store.
pub fn is_device_id(id: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'.' | b'-');
    (1..=DEVICE_ID_CHARS_MAX).contains(&id.len()) && id.bytes().all(allowed)
}
