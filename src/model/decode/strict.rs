//! What Kubernetes takes and serde's derived readers would not tell apart: an object is no list of its values, a string
//! no number that YAML has without quotes, and a port is a number from 1 to 65535.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Unexpected, Visitor};

use super::wire::nullable;

/// A reader for types of objects: on every level a struct is read from an object only, and a string from a string
/// only. Keys are texts whatever they look like, as kubectl has it.
pub(super) struct Strict<T>(pub(super) T);

macro_rules! as_it_is {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.0.$method(visitor)
        })*
    };
}

macro_rules! with_parts {
    ($($method:ident => $read:ident),* $(,)?) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.0.$read(Parts { visitor, object: false })
        })*
    };
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Strict<D> {
    type Error = D::Error;

    as_it_is! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32
        deserialize_f64 deserialize_char deserialize_bytes deserialize_byte_buf deserialize_unit
        deserialize_identifier deserialize_ignored_any
    }

    with_parts! {
        deserialize_any => deserialize_any,
        deserialize_option => deserialize_option,
        deserialize_seq => deserialize_seq,
        deserialize_map => deserialize_map,
        // Asked for a string, readers of YAML give any scalar as it is written.
        deserialize_str => deserialize_any,
        deserialize_string => deserialize_any,
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_map(Parts { visitor, object: true })
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_unit_struct(name, visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_tuple(length, visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_tuple_struct(name, length, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_enum(name, variants, visitor)
    }
}

/// Hands on what a reader finds, and keeps its parts strict.
struct Parts<V> {
    visitor: V,
    /// Whether nothing but an object is one.
    object: bool,
}

macro_rules! hand_on {
    ($($method:ident: $type:ty),* $(,)?) => {
        $(fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.visitor.$method(value)
        })*
    };
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Parts<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.object { f.write_str("an object") } else { self.visitor.expecting(f) }
    }

    hand_on! {
        visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64,
        visit_str: &str, visit_borrowed_str: &'de str, visit_string: String,
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_none()
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.visitor.visit_some(Strict(deserializer))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<V::Value, A::Error> {
        if self.object {
            return Err(A::Error::invalid_type(Unexpected::Seq, &self));
        }
        self.visitor.visit_seq(Strict(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_map(Strict(fields))
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Strict<A> {
    type Error = A::Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, A::Error> {
        self.0.next_element_seed(Strict(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Strict<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        self.0.next_key_seed(seed)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, A::Error> {
        self.0.next_value_seed(Strict(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, T: DeserializeSeed<'de>> DeserializeSeed<'de> for Strict<T> {
    type Value = T::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T::Value, D::Error> {
        self.0.deserialize(Strict(deserializer))
    }
}

/// A port that an API server takes, or 0 where the field is null or absent.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Port(pub(super) u16);

/// A port's number, or the name of a port; empty where the field is null or absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PortOrName {
    Number(u16),
    Name(String),
}

impl Default for PortOrName {
    fn default() -> Self {
        Self::Name(String::new())
    }
}

impl<'de> Deserialize<'de> for Port {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OfPort { names: false, zero: false }).map(|port| match port {
            PortOrName::Number(number) => Self(number),
            PortOrName::Name(_) => Self(0),
        })
    }
}

impl<'de> Deserialize<'de> for PortOrName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OfPort { names: true, zero: false })
    }
}

/// A port of a pod that a Service leads to: 0 stands for the Service's own port, as an API server has it.
pub(super) fn target_port<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PortOrName, D::Error> {
    #[derive(Default)]
    struct Target(PortOrName);
    impl<'de> Deserialize<'de> for Target {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_any(OfPort { names: true, zero: true }).map(Self)
        }
    }
    nullable(deserializer).map(|Target(port)| port)
}

struct OfPort {
    names: bool,
    zero: bool,
}

impl OfPort {
    fn number<E: Error>(&self, number: Option<u16>, told: Unexpected<'_>) -> Result<PortOrName, E> {
        let taken = number.filter(|number| *number > 0 || self.zero);
        taken.map(PortOrName::Number).ok_or_else(|| E::invalid_value(told, self))
    }
}

impl Visitor<'_> for OfPort {
    type Value = PortOrName;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a port number from 1 to 65535")?;
        if self.names { f.write_str(" or the name of a port") } else { Ok(()) }
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<PortOrName, E> {
        self.number(u16::try_from(number).ok(), Unexpected::Unsigned(number))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<PortOrName, E> {
        self.number(u16::try_from(number).ok(), Unexpected::Signed(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<PortOrName, E> {
        if !self.names {
            return Err(E::invalid_type(Unexpected::Str(text), &self));
        }
        match text.parse::<i64>() {
            // A number in quotes names a port in no API server, and helm's templates often have one.
            Ok(number) => self.visit_i64(number),
            Err(_) => Ok(PortOrName::Name(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, from_value, json};

    #[test]
    fn a_port_is_a_number_from_1_to_65535() {
        for (value, wanted) in [(json!(1), Some(1)), (json!(65535), Some(65535)), (json!(null), Some(0))] {
            assert_eq!(from_value::<Option<Port>>(value).ok().map(|port| port.unwrap_or_default().0), wanted);
        }
        for value in
            [json!(0), json!(-1), json!(65536), json!(99_999_999_999_u64), json!(1.5), json!("80"), json!([])]
        {
            let error = from_value::<Port>(value.clone()).unwrap_err().to_string();
            assert!(error.ends_with("expected a port number from 1 to 65535"), "{value}: {error}");
        }
    }

    #[test]
    fn only_a_service_may_write_0_for_its_own_port() {
        let target = |value: Value| target_port(value).ok();
        let probe = |value: Value| from_value::<PortOrName>(value).ok();
        assert_eq!(target(json!(0)), Some(PortOrName::Number(0)));
        assert_eq!(probe(json!(0)), None);
        for value in [json!(-1), json!(65536), json!("-1"), json!("70000"), json!(true)] {
            assert_eq!((target(value.clone()), probe(value.clone())), (None, None), "{value}");
        }
        assert_eq!(target(json!("web")), Some(PortOrName::Name("web".to_owned())));
        assert_eq!(target(json!("8080")), Some(PortOrName::Number(8080)));
        assert_eq!(target(json!(null)), Some(PortOrName::default()));
    }
}
