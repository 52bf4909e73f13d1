// Lines of the audit log, and what users said, in one order for people.
#pragma once

#include "cli/json_view.hpp"
#include "cli/line.hpp"

#include <boost/json/fwd.hpp>

#include <string>

namespace canaryd::cli {

// Oldest first; of one time in the order in which they were written.
void sort_history(boost::json::array& rows);

// Rows of `.../history` and `.../comments`, a line each; a log is not cut to the terminal. Who and
// why are not said twice where the sentence has them. Wide, with the ids that `explain --at` takes.
[[nodiscard]] std::string render_history(const boost::json::array& rows,
                                         bool wide,
                                         ScreenOptions options);

}  // namespace canaryd::cli
