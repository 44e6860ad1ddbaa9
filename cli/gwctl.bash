# SPDX-License-Identifier: Apache-2.0
# Completion of gwctl in bash: gwctl itself knows the words, and asks gwd for the names. bash would cut words at colons and
# equals signs, so the line is cut at blanks here.
_gwctl() {
	local words
	read -ra words <<<"${COMP_LINE:0:COMP_POINT}"
	[[ ${COMP_LINE:0:COMP_POINT} == *[[:blank:]] ]] && words+=("")
	mapfile -t COMPREPLY < <("${words[0]}" --complete "${words[@]:1}" 2>/dev/null || echo '*file*')
	if [[ ${COMPREPLY[0]-} == '*file*' ]]; then
		COMPREPLY=()
		compopt -o default
	fi
}
complete -F _gwctl gwctl
