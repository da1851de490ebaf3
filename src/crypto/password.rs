//! Argon2id (RFC 9106): its cost, the limits it is held to, and slot keys from passwords.

use std::time::Duration;

use argon2::{Algorithm, Argon2, Params, Version};

use super::keys::SlotKey;
use super::secret::{Password, Secret};

/// What deriving a slot key costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KdfCost {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

/// A cost outside the limits; nothing was allocated for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "key derivation cost out of bounds: {} KiB, {} passes, {} lanes (allowed: 19456 to 1048576 KiB, 2 to 16 passes, 1 to 4 lanes)",
    .0.memory_kib, .0.passes, .0.lanes
)]
pub struct CostOutOfBounds(pub KdfCost);

impl KdfCost {
    /// Of a secret that needs no derivation.
    pub const NONE: Self = Self { memory_kib: 0, passes: 0, lanes: 0 };

    /// Memory in KiB times passes: what trying a password takes, roughly.
    pub fn times(&self) -> u64 {
        u64::from(self.memory_kib) * u64::from(self.passes)
    }

    /// The least a new slot is made with: the second choice of RFC 9106 §4.
    pub const FLOOR: Self = Self { memory_kib: 64 * 1024, passes: 3, lanes: 4 };

    /// The most memory that calibration asks for; beyond it, it adds passes. A vault should open on a small machine too.
    const CALIBRATED_MEMORY_KIB: u32 = 256 * 1024;

    /// Checks the limits a slot in a file is held to, before anything is allocated: below them an
    /// edited file would weaken the password (OWASP's minimum is 19 MiB and 2 passes), above them
    /// it would exhaust the machine (the argon2 crate aborts the process when memory is refused).
    pub fn check(self) -> Result<Self, CostOutOfBounds> {
        let fits = (19456..=1024 * 1024).contains(&self.memory_kib)
            && (2..=16).contains(&self.passes)
            && (1..=4).contains(&self.lanes);
        if fits { Ok(self) } else { Err(CostOutOfBounds(self)) }
    }

    /// How long one derivation takes on this machine, by the monotonic clock.
    pub fn measure(self) -> Duration {
        let start = std::time::Instant::now();
        let _ = derive_slot_key(&Password::new(b"measuring".to_vec()), &[0; 32], self);
        start.elapsed()
    }

    /// Whether a new slot may be made with it.
    pub fn is_enough(self) -> bool {
        self.check().is_ok() && self.memory_kib >= Self::FLOOR.memory_kib && self.passes >= Self::FLOOR.passes
    }

    /// The cost that comes nearest to `target` without falling under the floor; `measure` times one derivation.
    pub fn calibrate(target: Duration, mut measure: impl FnMut(Self) -> Duration) -> Self {
        let mut cost = Self::FLOOR;
        let mut took = measure(cost);
        while took * 2 <= target && cost.memory_kib < Self::CALIBRATED_MEMORY_KIB {
            cost.memory_kib *= 2;
            took = measure(cost);
        }
        let passes = target.as_secs_f64() / (took.as_secs_f64().max(1e-3) / f64::from(cost.passes));
        // `as` saturates; the clamp then holds the limits.
        cost.passes = (passes.round() as u32).clamp(Self::FLOOR.passes, 16);
        cost
    }
}

/// Derives the key of a password slot.
pub fn derive_slot_key(password: &Password, salt: &[u8; 32], cost: KdfCost) -> Result<SlotKey, CostOutOfBounds> {
    let cost = cost.check()?;
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32)).map_err(|_| CostOutOfBounds(cost))?;
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut result = Ok(());
    let secret = Secret::fill_with(|out| result = argon.hash_password_into(password.expose(), salt, out));
    result.map_err(|_| CostOutOfBounds(cost)).map(|()| SlotKey::new(secret))
}

#[cfg(test)]
mod tests {
    use super::super::seal::{self, Place, Purpose};
    use super::*;

    #[test]
    fn hostile_costs_are_refused_before_memory_is_touched() {
        let floor = KdfCost { memory_kib: 19456, passes: 2, lanes: 1 };
        assert!(floor.check().is_ok());
        let hostile = [
            KdfCost { memory_kib: 19455, ..floor },
            KdfCost { memory_kib: 1024 * 1024 + 1, ..floor },
            KdfCost { memory_kib: u32::MAX, ..floor },
            KdfCost { passes: 1, ..floor },
            KdfCost { passes: 17, ..floor },
            KdfCost { lanes: 0, ..floor },
            KdfCost { lanes: 5, ..floor },
        ];
        for cost in hostile {
            let refused = derive_slot_key(&Password::new(b"x".to_vec()), &[0; 32], cost);
            assert_eq!(refused.err(), Some(CostOutOfBounds(cost)));
        }
    }

    #[test]
    fn calibration_holds_the_floor_and_stays_in_bounds() {
        let slow = KdfCost::calibrate(Duration::from_secs(1), |_| Duration::from_secs(10));
        assert_eq!(slow, KdfCost::FLOOR);
        // A machine that takes 1 ms per 64 MiB and 3 passes.
        let fast = KdfCost::calibrate(Duration::from_secs(1), |cost| {
            Duration::from_millis(u64::from(cost.memory_kib / 65536 * cost.passes / 3))
        });
        assert_eq!(fast, KdfCost { memory_kib: 256 * 1024, passes: 16, lanes: 4 });
        assert!(fast.check().is_ok() && fast.is_enough());
    }

    /// The expected bytes are from argon2-cffi, which wraps the C reference implementation:
    /// `hash_secret_raw(b"password", b"somesalt" * 4, 3, 65536, 4, 32, Type.ID)`.
    #[test]
    fn agrees_with_the_reference_implementation() {
        let expected = [
            0xf1, 0x32, 0x36, 0xb4, 0x3d, 0xf5, 0x4b, 0x13, 0x91, 0x57, 0xce, 0xb7, 0x59, 0x84, 0xe7, 0x22, 0x67, 0xe4,
            0x29, 0x1e, 0x4f, 0x52, 0x28, 0x82, 0x32, 0x5c, 0x27, 0xdf, 0xff, 0x3d, 0x1e, 0xd2,
        ];
        let password = Password::new(b"password".to_vec());
        let key = derive_slot_key(&password, b"somesaltsomesaltsomesaltsomesalt", KdfCost::FLOOR).unwrap();
        let place = Place::of_vault([0; 16], Purpose::Slot);
        assert_eq!(&**seal::open(&expected, &place, &key.seal(&place, b"x")).unwrap(), b"x");
    }
}
