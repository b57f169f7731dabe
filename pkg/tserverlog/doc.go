// Package tserverlog writes and reads the messages of a T-Server log, in the layout of the guide's "Verify Reporting
// Data":
//
//	00:34:20.757 Int 04543 Interaction message "RequestDistributeUserEvent" received from 516 ("OrchestrationServer")
//	  -- Absent ThisDN, REPORTING was used
//	@00:34:20.7570 [0] 8.1.000.62 distribute user event: message EventUserEvent
//		AttributeEventSequenceNumber	0000000000000ef9
//		AttributeUserData	[347] 00 0c 00 00..
//			'gms_UserId'	'777'
//			'gms_SessionEventSeq'	0
//		AttributeReferenceID	431
//		AttributeThisDN	'REPORTING'
//	00:34:20.758 Trc 04542 EventUserEvent sent to [508] (0000000c Icon_Voice 192.168.27.50:42678)
//
// It is pure: it appends to byte slices and reads from an io.Reader.
//
// # Escapes
//
// A quoted value stands on one line, whatever is in it: a backslash and a quote are preceded by a backslash, and what
// does not print is \n, \r, \t, \x00 to \x7f, \xNN for a byte that is no UTF-8, \uNNNN or \UNNNNNNNN. T-Server itself
// escapes nothing; this is an addition, without which a value could forge a message. The [size] is that of the value,
// not of its escaped form.
package tserverlog
