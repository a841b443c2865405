// Text for people: numbers laid out, and the room that text takes on a terminal.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace dflop {

/// What printf would print; the compiler checks the arguments against `format`.
[[gnu::format(printf, 1, 2)]] std::string Format(const char* format, ...);

/// A number with so many decimals; a rounded nothing has no sign.
std::string Fixed(double value, int decimals);

/// Whether this byte begins a UTF-8 character.
constexpr bool StartsCharacter(char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }

/// Columns on a terminal: "±" is two bytes but one column.
std::size_t Columns(std::string_view text);

}  // namespace dflop
