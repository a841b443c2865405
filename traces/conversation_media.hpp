// The media of a conversation's record: where they are named, and what is known of each.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_reader.hpp"
#include "traces/sample.hpp"

namespace dflop {

enum class Medium { kImage, kVideo, kAudio };
inline constexpr int kMediumCount = 3;
inline constexpr const char* kMediumNames[kMediumCount] = {"image", "video", "audio"};

/// One image or clip as the record names it.
struct NamedMedium {
  std::optional<JsonReader> own{};  ///< an object that may say more of it: itself, its part, its turn
  int frames = 0;                   ///< of a video given as a list of its frames; 0 = not so given
};

/// All media of a record, in order.
struct NamedMedia {
  std::vector<NamedMedium> of[kMediumCount];
  std::vector<NamedMedium>& operator[](Medium medium) { return of[static_cast<std::size_t>(medium)]; }
  const std::vector<NamedMedium>& operator[](Medium medium) const { return of[static_cast<std::size_t>(medium)]; }
};

/// Adds what "image", "images", "video", … of a record or turn name. `own` says more of a medium that stands alone
/// there.
void CollectMedia(const JsonReader& holder, const std::optional<JsonReader>& own, NamedMedia& media);

/// Sizes, frames and seconds of the media, from themselves or from the record's lists.
void MeasureMedia(const JsonReader& record, const NamedMedia& media, Sample& sample);

/// What has been read of a record's media.
struct Holdings {
  bool clips = false;  ///< so that a length may be of one
  bool media = false;  ///< of any kind, so that a number that looks like a file's name may be of one
};

/// The first key of a record, turn or part that names or holds a medium, itself or below it, and that nothing here
/// reads; "" when there is none. `skipped`: keys whose values are looked at elsewhere.
std::string UnreadMedium(const JsonReader& holder, const Holdings& holdings,
                         const std::vector<std::string>& skipped = {});

/// The kind of medium that a key or column names, as "image", "video_path" or "AudioFile" do; none for what only says
/// something about one ("image_id").
std::optional<Medium> MediumNamedBy(const std::string& key);

}  // namespace dflop
