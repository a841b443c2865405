// ASCII only: letters of other scripts become hyphens, and names that thereby meet are numbered.
#include "base/slug.hpp"

namespace dflop {

std::string Slug(std::string_view name, std::string_view fallback) {
  constexpr std::size_t kLongest = 80;
  std::string slug;
  for (const char c : name) {
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_';
    if (plain) {
      slug += c;
    } else if (!slug.empty() && slug.back() != '-') {
      slug += '-';
    }
  }
  while (!slug.empty() && (slug.back() == '-' || slug.back() == '.')) slug.pop_back();
  return slug.empty() ? std::string(fallback) : slug.substr(0, kLongest);
}

std::string UniqueSlugs::New(std::string_view name, std::string_view fallback) {
  const std::string base = Slug(name, fallback);
  std::string slug = base;
  for (int i = 2; !used_.insert(slug).second; ++i) slug = base + "-" + std::to_string(i);
  return slug;
}

}  // namespace dflop
