#include "daemon/replay_command.hpp"

#include "canaryd/replay/line_reader.hpp"
#include "canaryd/replay/replay.hpp"
#include "canaryd/replay/report.hpp"
#include "daemon/config_file.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace canaryd::daemon {
namespace {

constexpr std::size_t kPieceBytes = std::size_t{256} * 1024;

// Takes the lines of one file after the other.
class Player {
 public:
  Player(const config::Rollout& rollout, bool sampled, bool lenient)
      : sampled_(sampled),
        lenient_(lenient),
        reader_(rollout.name,
                rollout.analysis.errors,
                rollout.analysis.routes,
                {rollout.plan.stable, rollout.plan.canary}),
        replay_(rollout.plan, rollout.analysis) {}

  // False: it said why not.
  [[nodiscard]] bool play(const std::string& name, std::istream& stream) {
    reader_.begin_file();
    number_ = 0;
    name_ = &name;
    std::string piece(kPieceBytes, '\0');
    std::string rest;  // Of the last piece: the beginning of a line.
    while (stream) {
      stream.read(piece.data(), static_cast<std::streamsize>(piece.size()));
      std::string_view bytes(piece.data(), static_cast<std::size_t>(stream.gcount()));
      for (std::size_t end = bytes.find('\n'); end != std::string_view::npos;
           end = bytes.find('\n')) {
        const bool whole = rest.empty();
        if (!whole) keep(rest, bytes.substr(0, end));
        if (!take(whole ? bytes.substr(0, end) : std::string_view(rest))) return false;
        rest.clear();
        bytes.remove_prefix(end + 1);
      }
      keep(rest, bytes);
    }
    if (stream.bad()) {
      std::cerr << name << ": error: cannot be read\n";
      return false;
    }
    return rest.empty() || take(rest);
  }

  [[nodiscard]] replay::Outcome finish() { return replay_.finish(); }
  [[nodiscard]] const replay::LineCounts& lines() const noexcept { return lines_; }

 private:
  // Of a line without end only as much as shows that it is too long.
  static void keep(std::string& rest, std::string_view bytes) {
    const std::size_t room =
        replay::kLineBytesMax + 2 - std::min(rest.size(), replay::kLineBytesMax + 2);
    rest += bytes.substr(0, room);
  }

  bool take(std::string_view line) {
    ++number_;
    ++lines_.read;
    const bool first = number_ == 1;
    auto request = reader_.read(line);
    if (!request) return refuse(request.error(), first);
    if (first && reader_.is_access_log() && sampled_) {
      std::cerr << *name_ << ":1: error: this access log is a sample (log.access.sample is below "
                << "100): what is missing from it is not known\n";
      return false;
    }
    if (!*request) return true;
    const auto added = replay_.add(**request);
    if (!added) return refuse(added.error(), false);
    ++lines_.evidence;
    return true;
  }

  // Without its header nothing of a file can be read.
  bool refuse(const Error& error, bool fatal) {
    if (lenient_ && !fatal) {
      ++lines_.skipped;
      return true;
    }
    std::cerr << *name_ << ':' << number_ << ": error: " << error.context << '\n';
    return false;
  }

  bool sampled_;
  bool lenient_;
  replay::LineReader reader_;
  replay::Replay replay_;
  replay::LineCounts lines_;
  const std::string* name_ = nullptr;
  std::uint64_t number_ = 0;
};

bool play_file(Player& player, const std::string& name) {
  if (name == "-") return player.play("<stdin>", std::cin);
  std::error_code ignored;
  errno = 0;
  std::ifstream file(name, std::ios::binary);
  if (file && std::filesystem::is_directory(name, ignored)) {
    file.close();
    file.setstate(std::ios::failbit);
    errno = EISDIR;
  }
  if (!file) {
    std::cerr << name << ": error: " << std::strerror(errno) << '\n';
    return false;
  }
  return player.play(name, file);
}

}  // namespace

int replay_files(const CommandLine& line, const config::Config& config) {
  const auto rollout = find_rollout(config, line.replay.rollout, line.config_file);
  if (!rollout) {
    std::cerr << "canaryd replay: " << rollout.error().context << '\n';
    return kExitUsage;
  }
  const bool sampled =
      config.log.access && config.log.access->sample < BasisPoints(BasisPoints::kMax);
  Player player(**rollout, sampled, line.replay.lenient);
  for (const std::string& name : line.replay.files) {
    if (!play_file(player, name)) return kExitFailed;
  }
  const replay::Outcome outcome = player.finish();
  std::cout << (line.json ? replay::render_json(outcome, player.lines())
                          : replay::render_text(outcome, player.lines()))
            << std::flush;
  return std::cout ? kExitDone : kExitFailed;
}

}  // namespace canaryd::daemon
