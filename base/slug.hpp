// Names that the user wrote, as file names and anchors.
#pragma once

#include <set>
#include <string>
#include <string_view>

namespace dflop {

/// Letters and digits of a name, dots and underscores inside it, the rest as single hyphens; at most 80 characters. A
/// name without any of them becomes `fallback`.
std::string Slug(std::string_view name, std::string_view fallback);

/// Different slugs for names that differ in signs only: the second one ends in -2.
class UniqueSlugs {
 public:
  std::string New(std::string_view name, std::string_view fallback);

 private:
  std::set<std::string> used_;
};

}  // namespace dflop
